"""
Other SDKs, unpatched, against ``wechat-kf simulate --tls``; run by ``nox -s sdks``.
"""
