-- A course: places that are reserved first and confirmed later, each by a student's id.
--
-- KEYS[1] pending: ZSET of students by the deadline of their reservation.
-- KEYS[2] enrolled: hash student -> fence/request. It does not expire.
-- KEYS[3] reserved: hash student -> fence/request of the reservation.
-- KEYS[4] ended: ZSET of requests and fences, by the time until which it is remembered that this
--   reservation was cancelled or replaced, or this enrollment withdrawn, so that a late confirmation
--   of it does not enroll the student again.
-- KEYS[5] fence: the last fence.
-- KEYS[6] closed: there if the course is closed. It does not expire.
-- Taken places are the members of the first two keys: there is no counter that could drift.
-- ARGV[1]: the operation.
local pending, enrolled, reserved, ended, fence_key, closed_key = unpack(KEYS)
local op, student = ARGV[1], ARGV[2]

-- With the places of reservations that have ended and are not reaped.
local function taken()
  return call('ZCARD', pending) + call('HLEN', enrolled)
end

local function live()
  return call('ZCOUNT', pending, '(' .. whole(now), '+inf') + call('HLEN', enrolled)
end

-- Removes ended reservations until one place is free; no more than that needs.
local function reap(capacity)
  while taken() >= capacity do
    local due = call('ZRANGEBYSCORE', pending, '-inf', whole(now), 'LIMIT', 0, 1)[1]
    if not due then
      return
    end
    call('ZREM', pending, due)
    call('HDEL', reserved, due)
  end
end

local function expire()
  for _, key in ipairs({ pending, reserved, ended, fence_key }) do
    call('PEXPIRE', key, KEEP)
  end
end

-- The fence and the request of a student's reservation or enrollment.
local function entry(key, name)
  return (call('HGET', key, name) or ''):match('^(%d+)/(.*)$')
end

-- Remembers for ten minutes that this request or fence has ended, and forgets some older ones.
local function remember(what)
  call('ZADD', ended, whole(now + 600000000), what)
  for _, old in ipairs(call('ZRANGEBYSCORE', ended, '-inf', whole(now), 'LIMIT', 0, 2)) do
    call('ZREM', ended, old)
  end
end

-- reserve student request hold capacity -> {1, fence, taken}; {0, ms until a reservation ends,
-- taken} if full; {2} if closed; {3, fence} if enrolled already. A student with a reservation
-- gets the same place under a new fence, and the earlier request is over; with the same request,
-- it gets the first answer.
if op == 'reserve' then
  local request, expiry, capacity = ARGV[3], deadline(ARGV[4]), tonumber(ARGV[5])
  if not (expiry and capacity) then
    return BAD
  end
  local is_enrolled = entry(enrolled, student)
  if is_enrolled then
    return { 3, tonumber(is_enrolled) }
  end
  local has = call('ZSCORE', pending, student)
  local fence, earlier = entry(reserved, student)
  if has and earlier == request then
    call('ZADD', pending, whole(expiry), student)
    return { 1, tonumber(fence), live() }
  end
  if not has then
    if call('EXISTS', closed_key) == 1 then
      return { 2 }
    end
    reap(capacity)
    if taken() >= capacity then
      return { 0, until_first(pending), live() }
    end
  end
  if earlier then
    remember(earlier)
  end
  local new = whole(next_fence(tonumber(call('GET', fence_key) or 0)))
  call('SET', fence_key, new)
  call('ZADD', pending, whole(expiry), student)
  call('HSET', reserved, student, new .. '/' .. request)
  expire()
  return { 1, tonumber(new), live() }
end

-- confirm student request fence capacity -> {1, enrolled}, or {0} if lost. Late is fine while a
-- place is free and the reservation was not cancelled.
if op == 'confirm' then
  local request, fence, capacity = ARGV[3], ARGV[4], tonumber(ARGV[5])
  if not (tonumber(fence) and capacity) then
    return BAD
  end
  local _, confirmed = entry(enrolled, student)
  if confirmed then
    return { confirmed == request and 1 or 0, call('HLEN', enrolled) }
  end
  if call('ZSCORE', ended, request) then
    return { 0 }
  end
  if call('ZSCORE', pending, student) then
    local _, holder = entry(reserved, student)
    if holder and holder ~= request then
      return { 0 }
    end
  else
    reap(capacity)
    if call('EXISTS', closed_key) == 1 or taken() >= capacity then
      return { 0 }
    end
  end
  call('ZREM', pending, student)
  call('HDEL', reserved, student)
  call('HSET', enrolled, student, fence .. '/' .. request)
  expire()
  return { 1, call('HLEN', enrolled) }
end

-- cancel student request, ... -> {1}
if op == 'cancel' then
  for at = 2, #ARGV, 2 do
    local _, holder = entry(reserved, ARGV[at])
    if holder == ARGV[at + 1] then
      call('ZREM', pending, ARGV[at])
      call('HDEL', reserved, ARGV[at])
    end
    remember(ARGV[at + 1])
  end
  expire()
  return { 1 }
end

-- withdraw student fence -> {1} if this enrollment has been withdrawn, or {0} if there is none
if op == 'withdraw' then
  local fence, request = entry(enrolled, student)
  if fence and fence == ARGV[3] then
    call('HDEL', enrolled, student)
    remember(fence)
    remember(request)
    expire()
    return { 1 }
  end
  return { call('ZSCORE', ended, ARGV[3]) and 1 or 0 }
end

-- lookup student -> {fence}, or {0} if not enrolled
if op == 'lookup' then
  return { tonumber((entry(enrolled, student)) or 0) }
end

-- close -> {1}; reopen -> {1}
if op == 'close' then
  call('SET', closed_key, '1')
  return { 1 }
end
if op == 'reopen' then
  call('DEL', closed_key)
  return { 1 }
end

-- read -> {taken by reservations that have not ended and enrollments, enrolled, 1 if closed}
if op == 'read' then
  return { live(), call('HLEN', enrolled), call('EXISTS', closed_key) }
end

return BAD
