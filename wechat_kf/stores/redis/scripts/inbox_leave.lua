-- Stop a worker's heart: what it still holds is a dead worker's from then on.
--
-- KEYS[1]  the workers
-- ARGV[1]  the worker
--
-- Returns 1.
redis.call('HSET', KEYS[1], ARGV[1], 0)
return 1
