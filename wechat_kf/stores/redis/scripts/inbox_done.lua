-- Settle a push, and pass the turn on.
--
-- KEYS[1]  the push
-- KEYS[2]  the owners
-- KEYS[3]  the customer's queue
-- KEYS[4]  the news
-- ARGV[1]  the push
-- ARGV[2]  the worker
-- ARGV[3]  the openid
-- ARGV[4]  the attempt
-- ARGV[5]  milliseconds that it is remembered
--
-- Returns the push whose turn it is now if it is the worker's own, else ''; false if another holds the push.
local push, owners, queue, news = unpack(KEYS)
local key, worker, openid = ARGV[1], ARGV[2], ARGV[3]
local owner = redis.call('HGET', owners, key)
local state, attempt, requests = unpack(redis.call('HMGET', push, 'state', 'attempt', 'requests'))
-- One that Redis has forgotten is remembered as done all the same.
if state and (owner ~= worker .. ' ' .. openid or attempt ~= ARGV[4]) then return false end

-- What may fail where Redis is full comes first, so that all fails with it.
redis.call('HSET', push, 'state', 'done', 'requests', requests or 1)
redis.call('HDEL', push, 'payload', 'last', 'attempt', 'messages', 'since', 'at_once', 'repeated')
redis.call('PEXPIRE', push, ARGV[5])
redis.call('HDEL', owners, key)
local was_first = redis.call('LINDEX', queue, 0) == key
redis.call('LREM', queue, 1, key)
if not was_first then return '' end
while true do
    local head = redis.call('LINDEX', queue, 0)
    if not head then return '' end
    local next = redis.call('HGET', owners, head)
    if next then
        next = string.match(next, '^%S+')
        if next == worker then return head end
        redis.call('XADD', news, 'MAXLEN', '~', 1000, '*', 'worker', next, 'news', 'turn', 'push', head)
        redis.call('PEXPIRE', news, ARGV[5])
        return ''
    end
    redis.call('LPOP', queue)
end
