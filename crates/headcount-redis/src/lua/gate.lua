-- A gate: at most so many places are held at once, each by a lease that ends.
--
-- KEYS[1] leases: ZSET of id/weight by expiry. It is the truth. The member '/' closes the gate.
-- KEYS[2] state: hash, rebuilt from the leases if lost:
--   sum      the weights of all leases, ended ones too until they are reaped
--   fence    the last fence
--   closed   1 if closed
--   blocks   the number of leases that are blocks; their ids begin with b
--   learn    until when a new gate admits nothing, if it learns
--   nudged   when a refusal last asked the holders of blocks for idle places
--   f:id     the fence of the lease
--   b:id     weight/sequence of the block
-- ARGV[1]: the operation.
local leases, state, op = KEYS[1], KEYS[2], ARGV[1]
local got = call('HMGET', state, 'sum', 'fence', 'closed', 'blocks', 'learn')
local sum, last, closed = tonumber(got[1]), tonumber(got[2] or 0), got[3]
local blocks, learn = tonumber(got[4] or 0), tonumber(got[5] or 0)
local is_new = not got[2]

local function is_block(id)
  return id:sub(1, 1) == 'b'
end

local function parts(member)
  local id, weight = member:match('^(.+)/(%d+)$')
  return id, tonumber(weight)
end

local kept = call('ZCARD', leases)
if kept == 0 then
  sum, blocks, closed = 0, 0, false
elseif not sum then
  is_new = false
  sum, blocks, closed = 0, 0, false
  for _, member in ipairs(call('ZRANGE', leases, 0, -1)) do
    if member == '/' then
      closed = '1'
    else
      local id, weight = parts(member)
      sum = sum + weight
      if is_block(id) then
        blocks = blocks + 1
        if op ~= 'read' then
          call('HSET', state, 'b:' .. id, weight .. '/0')
        end
      end
    end
  end
end

local function save()
  call('HSET', state, 'sum', sum, 'fence', whole(last), 'blocks', blocks)
  for key = 1, 2 do
    if closed then
      call('PERSIST', KEYS[key])
    else
      call('PEXPIRE', KEYS[key], KEEP)
    end
  end
end

local function remove(member)
  if call('ZREM', leases, member) == 1 then
    local id, weight = parts(member)
    sum = sum - weight
    if is_block(id) then
      blocks = blocks - 1
    end
    call('HDEL', state, 'f:' .. id, 'b:' .. id)
  end
end

-- Removes ended leases until so many places are free; no more than that needs.
local function reap(places, capacity)
  while places <= capacity and sum + places > capacity do
    local due = call('ZRANGEBYSCORE', leases, '-inf', whole(now), 'LIMIT', 0, 1)[1]
    if not due then
      return
    end
    remove(due)
  end
end

local function add(id, weight, fence, expiry)
  call('ZADD', leases, whole(expiry), id .. '/' .. whole(weight))
  call('HSET', state, 'f:' .. id, whole(fence))
  sum = sum + weight
  last = math.max(last, fence)
end

local function fence_of(id)
  local fence = call('HGET', state, 'f:' .. id)
  if fence then
    return tonumber(fence)
  end
  last = next_fence(last)
  call('HSET', state, 'f:' .. id, whole(last))
  save()
  return last
end

-- Whether a gate that learns is too new to admit.
local function learns(wanted, expiry)
  if wanted == '1' and is_new then
    learn = expiry
    call('HSET', state, 'learn', whole(learn))
    save()
  end
  return now < learn
end

-- acquire id weight ttl capacity learning -> {1, fence, sum}, {0, ms until a lease ends, sum} if
-- full, or {2} if closed. A repeated id gets its first answer.
if op == 'acquire' then
  local id, weight, capacity = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])
  local expiry = deadline(ARGV[4])
  if not (expiry and weight and weight > 0 and capacity) then
    return BAD
  end
  if call('ZSCORE', leases, id .. '/' .. ARGV[3]) then
    call('ZADD', leases, whole(expiry), id .. '/' .. ARGV[3])
    return { 1, fence_of(id), sum }
  end
  if closed then
    return { 2 }
  end
  if learns(ARGV[6], expiry) then
    return { 0, math.ceil((learn - now) / 1000), sum }
  end
  local before = sum
  reap(weight, capacity)
  if sum + weight > capacity then
    if sum ~= before then
      save()
    end
    return { 0, weight <= capacity and until_first(leases) or -1, sum }
  end
  add(id, weight, next_fence(last), expiry)
  save()
  return { 1, last, sum }
end

-- release id weight, ... -> {1}
if op == 'release' then
  local before = sum
  for at = 2, #ARGV, 2 do
    remove(ARGV[at] .. '/' .. ARGV[at + 1])
  end
  if sum ~= before then
    save()
  end
  return { 1 }
end

-- renew ttl capacity learning, then id weight fence, ... -> the positions of the leases that are
-- lost. A lease that the server has forgotten is registered again if its places are free.
if op == 'renew' then
  local expiry, capacity = deadline(ARGV[2]), tonumber(ARGV[3])
  if not (expiry and capacity) then
    return BAD
  end
  learns(ARGV[4], expiry)
  local missing, lost = {}, {}
  for at = 5, #ARGV, 3 do
    local member = ARGV[at] .. '/' .. ARGV[at + 1]
    if call('ZSCORE', leases, member) then
      call('ZADD', leases, whole(expiry), member)
    else
      missing[#missing + 1] = at
    end
  end
  for _, at in ipairs(missing) do
    local weight = tonumber(ARGV[at + 1])
    reap(weight, capacity)
    if closed or sum + weight > capacity then
      lost[#lost + 1] = (at - 5) / 3
    else
      add(ARGV[at], weight, tonumber(ARGV[at + 2]), expiry)
    end
  end
  save()
  return lost
end

-- block id sequence fence weight need want ttl capacity channel learning -> {1, weight, fence,
-- 1 if closed, ms until a lease ends if fewer than `need` were free}, or {0} if the block is lost.
-- The block shrinks to `weight`, then grows: by `need` if that many places are free, and by up to
-- `want` as far as one block may. With a sequence number that has been answered, the answer is the
-- same.
if op == 'block' then
  local id, sequence, fence = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
  local weight, need, want = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
  local expiry, capacity = deadline(ARGV[8]), tonumber(ARGV[9])
  if not (expiry and sequence and fence and weight and need and want and capacity) then
    return BAD
  end
  local had, done
  local entry = call('HGET', state, 'b:' .. id)
  if entry then
    had, done = parts(entry)
    had = tonumber(had)
    if not call('ZSCORE', leases, id .. '/' .. whole(had)) then
      had = nil
    elseif done >= sequence then
      call('ZADD', leases, whole(expiry), id .. '/' .. whole(had))
      return { 1, had, fence_of(id), closed and 1 or 0, until_first(leases) }
    end
  end
  if had then
    weight = math.min(weight, had)
    remove(id .. '/' .. whole(had))
  else
    reap(weight, capacity)
    if weight > 0 and (closed or sum + weight > capacity) then
      save()
      return { 0 }
    end
  end
  local grant = 0
  if need + want > 0 and not closed and not learns(ARGV[11], expiry) then
    reap(weight + need, capacity)
    local free = math.max(0, capacity - sum - weight)
    local fair = math.floor(free / (2 * math.max(1, blocks + 1)))
    grant = math.min(free, math.max(need, math.min(want, fair)))
    local nudged = tonumber(call('HGET', state, 'nudged') or 0)
    if grant < need and now - nudged >= 20000 then
      call('HSET', state, 'nudged', whole(now))
      call('PUBLISH', ARGV[10], id)
    end
  end
  weight = weight + grant
  if weight > 0 then
    if fence == 0 then
      fence = next_fence(last)
    end
    add(id, weight, fence, expiry)
    blocks = blocks + 1
    call('HSET', state, 'b:' .. id, whole(weight) .. '/' .. whole(sequence))
  end
  save()
  return { 1, weight, fence, closed and 1 or 0, grant < need and until_first(leases) or -1 }
end

-- close -> {1}; reopen -> {1}
if op == 'close' then
  closed = '1'
  call('ZADD', leases, '+inf', '/')
  call('HSET', state, 'closed', '1')
  save()
  return { 1 }
end
if op == 'reopen' then
  if closed then
    closed = false
    call('ZREM', leases, '/')
    call('HDEL', state, 'closed')
    save()
  end
  return { 1 }
end

-- read -> {places held by leases that have not ended, 1 if closed}. Writes nothing.
if op == 'read' then
  local held = sum
  for _, member in ipairs(call('ZRANGEBYSCORE', leases, '-inf', whole(now))) do
    local _, weight = parts(member)
    held = held - weight
  end
  return { held, closed and 1 or 0 }
end

return BAD
