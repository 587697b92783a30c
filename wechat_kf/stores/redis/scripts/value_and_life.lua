-- Read a value and how long it still lives, which belong together.
--
-- KEYS[1]  the value
--
-- Returns {the value or false, its remaining milliseconds}.
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
