-- Read a token and how long it still lives, which belong together.
--
-- KEYS[1]  the token
--
-- Returns {the token or false, its remaining milliseconds}.
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
