"""
The page that shows the stand-in to people: a customer's phone, the agents' desk, and the wire.

The files are served as they are (`wechat_kf/testing/fronts/page.py`). All that they do, they do with the controls.
"""
