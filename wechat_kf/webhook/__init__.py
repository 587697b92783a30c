"""
Receiving: verify, decrypt and read what WeChat pushes; write, encrypt and sign what is answered. No IO.
"""
