-- A counter whose every change returns what it became.
--
-- KEYS[1] value: a whole number from 0 to 2^53 - 1.
-- KEYS[2] the answer that this request got: a repeated request gets it again.
-- ARGV[1]: the operation.
local value, answer, op = KEYS[1], KEYS[2], ARGV[1]
local MAX = 9007199254740991

-- add n start window -> {what it became}. Saturates at both ends.
if op == 'add' then
  local n, start, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  if not (n and start and window and window > 0) then
    return BAD
  end
  local first = call('GET', answer)
  if first then
    return { tonumber(first) }
  end
  local is = tonumber(call('GET', value) or start)
  if not is then
    return redis.error_reply('WRONGTYPE the value of the tally is no number')
  end
  local became = math.max(0, math.min(MAX, is + n))
  call('SET', value, whole(became))
  call('SET', answer, whole(became), 'PX', window)
  return { became }
end

-- read start -> {value}
if op == 'read' then
  local is = tonumber(call('GET', value) or ARGV[2])
  if not is then
    return redis.error_reply('WRONGTYPE the value of the tally is no number')
  end
  return { is }
end

return BAD
