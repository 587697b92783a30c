"""
One call: which token, which host, how many attempts, and what a failure means.

It sends nothing itself; `wechat_kf._http` does.
"""
