-- Mark a message as about to be sent for a push.
--
-- KEYS[1]  the push
-- KEYS[2]  the owners
-- KEYS[3]  the bytes of its reply
-- KEYS[4]  the customer's allowance
-- ARGV[1]  the push
-- ARGV[2]  "worker openid"
-- ARGV[3]  the attempt
-- ARGV[4]  the number of the message
--
-- Returns 1 if it may be sent; 0 if not; 2 if Redis does not know the push.
local owner = redis.call('HGET', KEYS[2], ARGV[1])
if not owner and redis.call('EXISTS', KEYS[1]) == 0 then return 2 end
local attempt, repeated, messages = unpack(redis.call('HMGET', KEYS[1], 'attempt', 'repeated', 'messages'))
if owner ~= ARGV[2] or attempt ~= ARGV[3] or repeated then return 0 end
redis.call('HSET', KEYS[1], 'state', 'sending', 'messages', ARGV[4])
redis.call('DEL', KEYS[3])
-- Not twice for a command that redis-py repeats.
if messages ~= ARGV[4] and tonumber(redis.call('GET', KEYS[4]) or 0) > 0 then redis.call('DECR', KEYS[4]) end
return 1
