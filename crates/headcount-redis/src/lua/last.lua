end

local reply = main()
if not reply.err then
  reply[#reply + 1] = token
end
return reply
