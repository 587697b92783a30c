-- Give pushes away for which nothing was sent: they are nobody's from then on, and taken by whoever looks next.
--
-- KEYS[1]  the owners
-- KEYS[2]  the workers
-- KEYS[3]  the news
-- KEYS[4]  and so on, two for each push: the push, the bytes of its reply
-- ARGV[1]  the worker
-- ARGV[2]  milliseconds that the news are kept
-- ARGV[3]  and so on, three for each push: the push, its openid, its attempt
--
-- Returns how many were given away.
local given = 0
for number = 1, (#KEYS - 3) / 2 do
    local push, reply = KEYS[2 * number + 2], KEYS[2 * number + 3]
    local key, openid, attempt = ARGV[3 * number], ARGV[3 * number + 1], ARGV[3 * number + 2]
    local is_held = redis.call('HGET', KEYS[1], key) == ARGV[1] .. ' ' .. openid
    if is_held and redis.call('HGET', push, 'attempt') == attempt then
        redis.call('HSET', KEYS[1], key, '- ' .. openid)
        redis.call('HSET', push, 'state', 'handling', 'messages', 0)
        redis.call('DEL', reply)
        given = given + 1
    end
end
if given > 0 then
    -- Nobody is a worker, too, and dead from the start, so that somebody looks for its pushes; at once if told.
    redis.call('HSET', KEYS[2], '-', 0)
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'worker', '-', 'news', 'given', 'push', '')
    redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
return given
