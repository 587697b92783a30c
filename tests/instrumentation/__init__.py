"""
Tests of `wechat_kf.instrumentation`.
"""
