-- The part that all scripts share: it stands in front of each of them, `last.lua` behind it.
--
-- The last argument is a token, which the answer ends with: so a caller sees if it gets an answer
-- that belongs to another call, on a connection where an answer is missing or came twice.
--
-- The server's time is read once, in microseconds. A fence is above every earlier fence of the
-- object, and at least the time: it still grows after the object has lost its data.
local call = redis.call
local token = tonumber(table.remove(ARGV))
local KEEP = 172800000 -- two days in ms, twice the longest ttl: how long the keys outlive a write
local MAX_TTL = 86400000
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

local function next_fence(last)
  return math.max(last + 1, now)
end

local function whole(number)
  return string.format('%.0f', number)
end

-- The instant that a ttl or hold in ms leads to, or nil for a bad one.
local function deadline(ms)
  ms = tonumber(ms)
  if ms and ms > 0 and ms <= MAX_TTL then
    return now + math.floor(ms) * 1000
  end
end

-- In how many ms the first entry of that set ends, or -1 if there is none with an end.
local function until_first(key)
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  if not first or tonumber(first) == math.huge then
    return -1
  end
  return math.max(0, math.ceil((tonumber(first) - now) / 1000))
end

local BAD = redis.error_reply('INVALID the arguments of the script')

local function main()
