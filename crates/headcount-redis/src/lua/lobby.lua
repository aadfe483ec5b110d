-- A lobby: rooms of numbered seats that fill one after the other.
--
-- KEYS[1] rooms: hash room -> lock:members:seats, where seats has one 0 or 1 for each seat.
-- KEYS[2] open: ZSET of unlocked rooms with a free seat, by members.
-- KEYS[3] members: hash member -> room:seat:fence:held:request. `held` is 0, or the reason why the
--   member is not in the room that it asked for (F full, L locked, G gone).
-- KEYS[4] expiries: ZSET of members.
-- KEYS[5] state: hash with the last fence and the last room number.
-- ARGV[1]: the operation.
local rooms, open, members, expiries, state = unpack(KEYS)
local op = ARGV[1]

local function expire()
  for key = 1, 5 do
    call('PEXPIRE', KEYS[key], KEEP)
  end
end

local function room_of(name)
  local record = call('HGET', rooms, name)
  if record then
    local lock, count, seats = record:match('^(%d):(%d+):([01]+)$')
    return { name = name, lock = lock, count = tonumber(count), seats = seats }
  end
end

local function store(room)
  if room.count == 0 then
    call('HDEL', rooms, room.name)
    call('ZREM', open, room.name)
    return
  end
  call('HSET', rooms, room.name, room.lock .. ':' .. room.count .. ':' .. room.seats)
  if room.lock == '0' and room.count < #room.seats then
    call('ZADD', open, room.count, room.name)
  else
    call('ZREM', open, room.name)
  end
end

local function set_seat(room, seat, taken)
  room.seats = room.seats:sub(1, seat) .. taken .. room.seats:sub(seat + 2)
  room.count = room.count + (taken == '1' and 1 or -1)
  store(room)
end

local function entry_of(member)
  local record = call('HGET', members, member)
  if record then
    local room, seat, fence, held, request = record:match('^(%d+):(%d+):(%d+):(%w):(.*)$')
    return { room = room, seat = tonumber(seat), fence = fence, held = held, request = request }
  end
end

local function write(member, entry, expiry)
  call('HSET', members, member,
    table.concat({ entry.room, entry.seat, entry.fence, entry.held, entry.request }, ':'))
  call('ZADD', expiries, whole(expiry), member)
end

local function remove(member, entry)
  call('HDEL', members, member)
  call('ZREM', expiries, member)
  local room = entry and room_of(entry.room)
  if room then
    set_seat(room, entry.seat, '0')
  end
end

-- Removes up to so many members whose lease has ended; returns how many.
local function reap(limit)
  local due = call('ZRANGEBYSCORE', expiries, '-inf', whole(now), 'LIMIT', 0, limit)
  for _, member in ipairs(due) do
    remove(member, entry_of(member))
  end
  return #due
end

local function next_number(field)
  local number = whole(next_fence(tonumber(call('HGET', state, field) or 0)))
  call('HSET', state, field, number)
  return number
end

local function answer(entry)
  local reasons = { ['0'] = 1, F = 3, L = 4, G = 5 }
  local room = room_of(entry.room)
  return { reasons[entry.held], tonumber(entry.room), entry.seat, tonumber(entry.fence),
    room and room.count or 0 }
end

-- Why that room does not admit a member, or nil.
local function refusal(room)
  if not room then
    return 'G'
  elseif room.lock == '1' then
    return 'L'
  elseif room.count >= #room.seats then
    return 'F'
  end
end

-- The most populated room with a free seat; a new one if there is none and one more is allowed.
local function choose(seats, max_rooms)
  repeat
    local best = call('ZREVRANGE', open, 0, 0)[1]
    if best then
      return room_of(best)
    end
  until reap(1) == 0
  if call('HLEN', rooms) < max_rooms then
    return { name = next_number('room'), lock = '0', count = 0, seats = ('0'):rep(seats) }
  end
end

-- join member request ttl hold seats max_rooms [room] -> {1, room, seat, fence, members} seated;
-- {3, ..} {4, ..} {5, ..} the asked room is full, locked or gone, and that seat is held instead;
-- {0, ms until a lease ends, reason} no free seat at all. A member who has a seat keeps it, under a
-- new fence; with the same request, it gets the first answer.
if op == 'join' then
  local member, request, asked = ARGV[2], ARGV[3], ARGV[8]
  local expiry, hold = deadline(ARGV[4]), deadline(ARGV[5])
  local seats, max_rooms = tonumber(ARGV[6]), tonumber(ARGV[7])
  if not (expiry and hold and seats and seats > 0 and seats <= 4096 and max_rooms) then
    return BAD
  end
  local entry = entry_of(member)
  if entry and entry.request == request then
    call('ZADD', expiries, whole(entry.held == '0' and expiry or hold), member)
    return answer(entry)
  end
  if entry then
    entry.fence, entry.held, entry.request = next_number('fence'), '0', request
    write(member, entry, expiry)
    expire()
    return answer(entry)
  end
  reap(16)
  local room, reason
  if asked then
    room = room_of(asked)
    reason = refusal(room)
    while reason == 'F' and reap(16) > 0 do
      room = room_of(asked)
      reason = refusal(room)
    end
  end
  if not asked or reason then
    room = choose(seats, max_rooms)
  end
  if not room then
    local codes = { F = 3, L = 4, G = 5 }
    return { 0, until_first(expiries), codes[reason] or 0 }
  end
  local seat = room.seats:find('0', 1, true) - 1
  set_seat(room, seat, '1')
  entry = { room = room.name, seat = seat, fence = next_number('fence'), held = reason or '0',
    request = request }
  write(member, entry, reason and hold or expiry)
  expire()
  return answer(entry)
end

-- leave member request, ... -> {1}. Only the seat of that request is freed.
if op == 'leave' then
  for at = 2, #ARGV, 2 do
    local entry = entry_of(ARGV[at])
    if entry and entry.request == ARGV[at + 1] then
      remove(ARGV[at], entry)
    end
  end
  return { 1 }
end

-- renew ttl seats max_rooms, then member fence room seat request, ... -> the positions of the seats
-- that are lost. A seat that the server has forgotten is registered again if it is free.
if op == 'renew' then
  local expiry, seats, max_rooms = deadline(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  if not (expiry and seats and max_rooms) then
    return BAD
  end
  local lost = {}
  for at = 5, #ARGV, 5 do
    local member, fence, name, seat = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
    local entry = entry_of(member)
    if entry and entry.request == ARGV[at + 4] then
      call('ZADD', expiries, whole(expiry), member)
    else
      local room = room_of(name)
      if not room and call('HLEN', rooms) < max_rooms then
        room = { name = name, lock = '0', count = 0, seats = ('0'):rep(seats) }
      end
      if entry or not room or room.seats:sub(seat + 1, seat + 1) ~= '0' then
        lost[#lost + 1] = (at - 5) / 5
      else
        set_seat(room, seat, '1')
        write(member, { room = name, seat = seat, fence = fence, held = '0', request = ARGV[at + 4] },
          expiry)
      end
    end
  end
  expire()
  return lost
end

-- lock room 0|1 -> {1, members}, or {0} if no such room is open
if op == 'lock' then
  local room = room_of(ARGV[2])
  if not room then
    return { 0 }
  end
  room.lock = ARGV[3]
  store(room)
  expire()
  return { 1, room.count }
end

-- start room quorum -> {1, members} and the room is locked; {0, members} below the quorum; {2} if
-- no such room is open. Only members whose lease has not ended count.
if op == 'start' then
  repeat until reap(64) == 0
  local room = room_of(ARGV[2])
  if not room then
    return { 2 }
  end
  if room.count < tonumber(ARGV[3]) then
    return { 0, room.count }
  end
  room.lock = '1'
  store(room)
  expire()
  return { 1, room.count }
end

-- room room -> {1, members, seats, 1 if locked}, or {0} if no such room is open. Writes nothing.
if op == 'room' then
  local room = room_of(ARGV[2])
  return room and { 1, room.count, #room.seats, tonumber(room.lock) } or { 0 }
end

-- filling -> {1, room} where the next member without a wish goes, or {0} if to a new room
if op == 'filling' then
  local best = call('ZREVRANGE', open, 0, 0)[1]
  return best and { 1, tonumber(best) } or { 0 }
end

-- stats -> {rooms, members whose lease has not ended, rooms with a free seat}. Writes nothing.
if op == 'stats' then
  return { call('HLEN', rooms), call('ZCOUNT', expiries, '(' .. whole(now), '+inf'), call('ZCARD', open) }
end

return BAD
