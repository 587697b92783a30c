"""
The manual, a chapter a file: each has its endpoint rows, its answers and one coroutine for each endpoint.

A chapter is mixed into `wechat_kf.AsyncKfClient`.
"""
