"""
WeChat's error codes: the family of each in the tree of errors, what it means, and what to do.

The table is written from the manual and from what accounts have met. To add a code, add its row here and to the list in
the tests.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["ERRCODES", "Errcode", "Family", "errcode_of"]

Family: TypeAlias = Literal[
    "ApiError",
    "AuthError",
    "Conflict",
    "ContentRejected",
    "DeliveryWindowClosed",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "QuotaExceeded",
    "RateLimited",
    "ReplyLimitReached",
    "SystemBusy",
]


class Errcode(NamedTuple):
    """
    What is known of a code.

    Attributes:
        family: The name of its class in the tree of errors.

        meaning: What happened, to stand after "Meaning:".

        remedy: What to do, as sentences.
    """

    family: Family
    meaning: str
    remedy: str


# Remedies that several codes share.
_ADMINISTRATOR: Final = "Ask the account's administrator to confirm it in WeChat."
_INVITED: Final = "Wait until it is accepted or expires; see get_kf_list."
_SIGNATURE: Final = "Check the keys and headers of API security, or turn it off in the console."
_WEB_LOGIN: Final = "Let the user log in again; the account's own token is not concerned."

_UNKNOWN: Final = Errcode("ApiError", "", "Look the code up in the manual.")

ERRCODES: Final[dict[int, Errcode]] = {
    -1: Errcode("SystemBusy", "WeChat is busy", "Try again later."),
    -1000: Errcode("SystemBusy", "WeChat had a system error", "Try again later."),
    40001: Errcode(
        "AuthError",
        "the token is invalid or no longer the latest, or the secret is wrong",
        "Check the secret in the console, and that no other program fetches this account's token with /cgi-bin/token.",
    ),
    40002: Errcode("InvalidArgument", "the grant_type is wrong", "Use client_credential."),
    40003: Errcode(
        "InvalidArgument",
        "the openid is not a user of this account",
        "Use an openid of this very account, of a user who still follows it.",
    ),
    40004: Errcode("InvalidArgument", "the media type is wrong", "Use image, voice, video or thumb."),
    40005: Errcode(
        "InvalidArgument",
        "the file type is not allowed",
        "Send a file of an allowed type, under a name with its extension.",
    ),
    40006: Errcode("InvalidArgument", "the file size is not allowed", "Send a smaller file, and not an empty one."),
    40007: Errcode(
        "NotFound", "the media_id is wrong or has expired", "Upload the file again: a temporary media_id lives 3 days."
    ),
    40008: Errcode("InvalidArgument", "the message type is wrong", "Use a msgtype that the manual lists."),
    40009: Errcode(
        "InvalidArgument", "the image is too large", "Send an image of at most 10 MB, an avatar of at most 5 MB."
    ),
    40010: Errcode("InvalidArgument", "the voice file is too large", "Send a voice file of at most 2 MB."),
    40011: Errcode("InvalidArgument", "the video is too large", "Send a video of at most 10 MB."),
    40012: Errcode("InvalidArgument", "the thumbnail is too large", "Send a JPEG of at most 64 KB."),
    40013: Errcode("AuthError", "the appid is wrong", "Copy the account's appid from the console."),
    40014: Errcode(
        "AuthError",
        "the token is malformed or belongs to another account",
        "Check that the token is of this account and is passed on unchanged.",
    ),
    40033: Errcode(
        "InvalidArgument",
        r"the body holds \uXXXX escapes",
        "Send UTF-8 with literal characters, and no control characters.",
    ),
    40035: Errcode("InvalidArgument", "a parameter is wrong", "Compare the request with the manual."),
    40038: Errcode("InvalidArgument", "the request format is wrong", "Compare the request with the manual."),
    40039: Errcode("InvalidArgument", "a URL is too long", "Shorten the URL."),
    40048: Errcode("InvalidArgument", "the domain of a URL is not allowed", "Use a domain that the console lists."),
    40066: Errcode("InvalidArgument", "there is no such path", "Check the path and the base_url."),
    40097: Errcode("InvalidArgument", "the arguments are wrong", "Compare the request with the manual."),
    40101: Errcode(
        "InvalidArgument",
        "a parameter is missing, or the path belongs to another product",
        "Compare path and request with the manual.",
    ),
    40118: Errcode("InvalidArgument", "the media_id has a wrong size", "Use the media_id that the upload returned."),
    40121: Errcode(
        "InvalidArgument", "the media_id is of another type", "Use a media_id of the type that the message needs."
    ),
    40125: Errcode(
        "AuthError", "the secret is wrong", "Copy the secret from the console; a reset there ends the one before."
    ),
    40132: Errcode("InvalidArgument", "the WeChat id is wrong", "Check the WeChat id."),
    40137: Errcode("InvalidArgument", "the image format is not supported", "Send a JPEG, PNG or GIF."),
    40164: Errcode(
        "PermissionDenied",
        "the caller's IP address is not on the account's allow-list",
        "Add the address named in the text to the IP allow-list in the console.",
    ),
    40200: Errcode(
        "PermissionDenied",
        "the account is of the wrong kind for this call",
        "Check that the path is the one for service accounts.",
    ),
    40201: Errcode("InvalidArgument", "no callback URL is set", "Set the server's URL in the console."),
    40202: Errcode("InvalidArgument", "the action is wrong", "Use dns, ping or all."),
    40203: Errcode("InvalidArgument", "the check_operator is wrong", "Use CHINANET, UNICOM, CAP or DEFAULT."),
    40230: Errcode("AuthError", "Wechatmp-Serial is missing", _SIGNATURE),
    40231: Errcode("AuthError", "Wechatmp-TimeStamp is missing", _SIGNATURE),
    40232: Errcode("AuthError", "Wechatmp-Signature is missing", _SIGNATURE),
    40233: Errcode("AuthError", "Wechatmp-Appid is missing", _SIGNATURE),
    40234: Errcode("AuthError", "the API signature is wrong", _SIGNATURE),
    40235: Errcode("AuthError", "the API encryption is wrong", _SIGNATURE),
    40236: Errcode("AuthError", "Wechatmp-Appid is wrong", _SIGNATURE),
    40237: Errcode("AuthError", "Wechatmp-Appid does not belong to the token", _SIGNATURE),
    40238: Errcode("AuthError", "no symmetric key is set", _SIGNATURE),
    40239: Errcode("AuthError", "no public key is set", _SIGNATURE),
    40240: Errcode("AuthError", "the API signature is too old", "Set the machine's clock."),
    40243: Errcode("AuthError", "the secret is frozen", "Unfreeze the secret in the console; it takes ten minutes."),
    41001: Errcode("InvalidArgument", "the token is missing", "Send the token in the query, as access_token."),
    41002: Errcode("InvalidArgument", "the appid is missing", "Pass the account's appid."),
    41003: Errcode("InvalidArgument", "the refresh_token is missing", "Pass the refresh_token."),
    41004: Errcode("InvalidArgument", "the secret is missing", "Pass the account's secret."),
    41005: Errcode(
        "InvalidArgument",
        "the file part is missing",
        "Send one part named media, with a file name and a Content-Length.",
    ),
    41006: Errcode("InvalidArgument", "the media_id is missing", "Pass a media_id."),
    41009: Errcode("InvalidArgument", "the openid is missing", "Pass the customer's openid."),
    41018: Errcode("InvalidArgument", "the component_appid is missing", "Pass the platform's appid."),
    42001: Errcode(
        "AuthError", "the token has expired", "Check the machine's clock, and what else stores this account's token."
    ),
    42002: Errcode("AuthError", "the refresh_token of a web login has expired", _WEB_LOGIN),
    42003: Errcode("AuthError", "the code of a web login has expired", _WEB_LOGIN),
    42007: Errcode("AuthError", "the user changed the password, which ended their web logins", _WEB_LOGIN),
    43001: Errcode("InvalidArgument", "the call needs GET", "Use the method that the manual names."),
    43002: Errcode("InvalidArgument", "the call needs POST", "Use the method that the manual names."),
    43003: Errcode("InvalidArgument", "the call needs HTTPS", "Use a base_url that begins with https."),
    43004: Errcode("DeliveryWindowClosed", "the user does not follow the account", "Wait until the user follows it."),
    43005: Errcode(
        "DeliveryWindowClosed", "the user is not a friend of the account", "Wait until the user follows it."
    ),
    43019: Errcode(
        "DeliveryWindowClosed", "the user is on the account's blacklist", "Take the user off the blacklist."
    ),
    43101: Errcode(
        "DeliveryWindowClosed", "the user refuses these messages", "Wait until the user allows messages again."
    ),
    44001: Errcode("InvalidArgument", "the file is empty", "Send a file with content."),
    44002: Errcode("InvalidArgument", "the body is empty", "Send the fields that the manual lists."),
    44003: Errcode("InvalidArgument", "the news message is empty", "Send at least one article."),
    44004: Errcode("InvalidArgument", "the text is empty", "Send a text with something to read in it."),
    45001: Errcode("InvalidArgument", "the file is too large", "Send a smaller file."),
    45002: Errcode("ContentRejected", "the text is too long", "Split it with split_text."),
    45003: Errcode("ContentRejected", "the title is too long", "Shorten the title."),
    45004: Errcode("ContentRejected", "the description is too long", "Shorten the description."),
    45005: Errcode("ContentRejected", "the link is too long", "Shorten the link."),
    45006: Errcode("ContentRejected", "the picture's link is too long", "Shorten the picture's link."),
    45007: Errcode("InvalidArgument", "the voice message is too long", "Cut it to 60 seconds."),
    45008: Errcode("ContentRejected", "there are too many articles", "Send one article."),
    45009: Errcode(
        "QuotaExceeded",
        "the daily quota of this call is used up",
        "Wait until midnight in Beijing, or use clear_quota, ten times a month.",
    ),
    45011: Errcode("RateLimited", "there were too many calls this minute", "Wait a minute, then call more slowly."),
    45015: Errcode(
        "DeliveryWindowClosed",
        "the customer wrote too long ago (48 hours; 1 minute after a menu, follow or scan), or unfollowed",
        "Wait until the customer writes again.",
    ),
    45047: Errcode(
        "ReplyLimitReached",
        "the messages allowed after the customer's last action are used up",
        "Wait until the customer writes again.",
    ),
    45064: Errcode(
        "PermissionDenied",
        "the account has no permission for this mini-program",
        "Link the mini-program to the account in the console.",
    ),
    45072: Errcode("InvalidArgument", "the typing command is wrong", "Use Typing or CancelTyping."),
    45080: Errcode(
        "DeliveryWindowClosed",
        "no message passed in the last 30 seconds, which typing needs",
        "Show typing right after a message.",
    ),
    45081: Errcode("Conflict", "typing is already shown", "Nothing needs to be done: it lasts 15 seconds."),
    45159: Errcode("InvalidArgument", "the tag_id is wrong", "Use a tag_id of this account."),
    45166: Errcode("ContentRejected", "the content holds a forbidden link", "Remove or correct the link."),
    46001: Errcode("NotFound", "there is no such media", "Upload the file again."),
    46004: Errcode("NotFound", "there is no such user", "Check the openid."),
    47001: Errcode("InvalidArgument", "the body cannot be parsed", "Send valid JSON in UTF-8."),
    48001: Errcode(
        "PermissionDenied",
        "the account may not use this call, or the token is of another account",
        "Check the account's permissions in the console, and that the token is of this account.",
    ),
    48002: Errcode(
        "DeliveryWindowClosed", "the user has muted the account", "Wait until the user allows messages again."
    ),
    48004: Errcode("PermissionDenied", "the call is blocked for violations", "See the notice in the console."),
    48006: Errcode("QuotaExceeded", "clear_quota was used ten times this month", "Wait for the next month."),
    48008: Errcode(
        "PermissionDenied",
        "the account may not send this kind of message",
        "Send another kind, or check the account's permissions in the console.",
    ),
    50001: Errcode("PermissionDenied", "the user has not authorised this call", "Ask the user for the authorisation."),
    50002: Errcode("PermissionDenied", "the account or the user is restricted", "See the notice in the console."),
    50004: Errcode(
        "PermissionDenied",
        "the account may not use the token endpoint",
        "Check the account's permissions in the console.",
    ),
    50005: Errcode("DeliveryWindowClosed", "the user does not follow the account", "Wait until the user follows it."),
    50007: Errcode("PermissionDenied", "the account is frozen", "See the notice in the console."),
    61003: Errcode(
        "PermissionDenied",
        "the account has not authorised the third-party platform",
        "Ask the account's owner to authorise the platform.",
    ),
    61004: Errcode(
        "PermissionDenied",
        "the caller's IP address is not on the allow-list",
        "Add the address to the IP allow-list in the console, for a platform to the platform's.",
    ),
    61005: Errcode(
        "AuthError",
        "the component_verify_ticket has expired",
        "Store each ticket that WeChat pushes; api_start_push_ticket starts the pushes again.",
    ),
    61006: Errcode(
        "AuthError",
        "the component_verify_ticket is invalid",
        "Use the ticket that WeChat pushed last, to this platform.",
    ),
    61007: Errcode(
        "PermissionDenied",
        "the account has not authorised the platform for this call",
        "Ask the account's owner to authorise the platform for it.",
    ),
    61011: Errcode(
        "PermissionDenied",
        "the component_appid is not a third-party platform's",
        "Use the platform's own appid and secret.",
    ),
    61023: Errcode(
        "AuthError",
        "the refresh token is invalid",
        "Keep the refresh token that came last; if it is lost, ask the account's owner for the authorisation anew.",
    ),
    61024: Errcode(
        "AuthError",
        "the token must come from the third-party platform",
        "Give the client the platform's token for this account.",
    ),
    61450: Errcode(
        "SystemBusy",
        "customer service had a system error, as it often has for a sandbox account or one without a WeChat id",
        "Check that customer service is on and the account has a WeChat id, then try once more.",
    ),
    61451: Errcode("InvalidArgument", "a parameter is wrong", "Compare the request with the manual."),
    61452: Errcode("NotFound", "there is no such customer-service account", "See the accounts with get_kf_list."),
    61453: Errcode("Conflict", "the customer-service account exists already", "Rename it with update_kf_account."),
    61454: Errcode("InvalidArgument", "the account's prefix is longer than 10 characters", "Shorten the prefix."),
    61455: Errcode(
        "InvalidArgument", "the account holds a character that is not allowed", "Use [A-Za-z0-9_] before the @."
    ),
    61456: Errcode("QuotaExceeded", "there are too many customer-service accounts", "Delete one first."),
    61457: Errcode("InvalidArgument", "the avatar's file type is wrong", "Send a JPEG of at most 5 MB."),
    61458: Errcode("Conflict", "another agent serves this customer", "See who with get_kf_session."),
    61459: Errcode("Conflict", "the agent is not online", "See who is with get_online_kf_list."),
    61500: Errcode("InvalidArgument", "the date is wrong", "Use the date format that the manual shows."),
    65400: Errcode(
        "PermissionDenied",
        "customer service is not enabled, or was enabled a moment ago",
        "Enable it in the console, then wait a while.",
    ),
    65401: Errcode(
        "NotFound",
        "there is no such customer-service account",
        "Check the suffix, and that the account was made with add_kf_account.",
    ),
    65402: Errcode(
        "Conflict", "no WeChat user is bound to the customer-service account", "Invite one with invite_kf_worker."
    ),
    65403: Errcode("InvalidArgument", "the nickname is not allowed", "Use 1 to 16 characters."),
    65404: Errcode(
        "InvalidArgument",
        "the name of the customer-service account is not allowed",
        "Use prefix@suffix with a prefix of 1 to 10 of [A-Za-z0-9_].",
    ),
    65405: Errcode("QuotaExceeded", "the account has as many customer-service accounts as it may", "Delete one first."),
    65406: Errcode("Conflict", "the customer-service account exists already", "Rename it with update_kf_account."),
    65407: Errcode("Conflict", "this person is an agent of the account already", "See the accounts with get_kf_list."),
    65408: Errcode("Conflict", "this person is invited already", _INVITED),
    65409: Errcode(
        "NotFound", "there is no such WeChat id", "Check the WeChat id; the person sees it in WeChat's settings."
    ),
    65410: Errcode(
        "QuotaExceeded",
        "this person is bound to too many customer-service accounts",
        "Invite another person, or delete one of those accounts.",
    ),
    65411: Errcode("Conflict", "an invitation for this customer-service account is waiting already", _INVITED),
    65412: Errcode(
        "Conflict", "a person is bound to this customer-service account already", "See who with get_kf_list."
    ),
    65413: Errcode("NotFound", "the customer has no open session", "Nothing needs to be closed."),
    65414: Errcode("Conflict", "another agent serves this customer", "See who with get_kf_session."),
    65415: Errcode("Conflict", "the agent is not online", "See who is with get_online_kf_list."),
    65416: Errcode(
        "InvalidArgument", "a parameter is wrong", "Use Unix seconds, not milliseconds, and a msgid of at least 1."
    ),
    65417: Errcode("InvalidArgument", "the time span is longer than 24 hours", "Use iter_msg_records."),
    70000: Errcode("ContentRejected", "the message was refused to protect minors", "Change the content."),
    76001: Errcode("NotFound", "there is no such rid", "Copy the rid from the error's text."),
    76002: Errcode("InvalidArgument", "the rid is malformed", "Copy the rid from the error's text."),
    76003: Errcode(
        "PermissionDenied",
        "the rid is of another account, or the cgi_path is malformed",
        "Ask with the account that made the call; begin a cgi_path with a slash.",
    ),
    76004: Errcode("NotFound", "the rid is older than 7 days", "Look a rid up within 7 days."),
    76021: Errcode("NotFound", "there is no such cgi_path", "Begin it with a slash and leave the host out."),
    76022: Errcode(
        "PermissionDenied", "the account may not ask for this cgi_path", "Ask for a path that the account may call."
    ),
    89501: Errcode("PermissionDenied", "this IP address waits for the administrator's confirmation", _ADMINISTRATOR),
    89503: Errcode("PermissionDenied", "this IP address needs the administrator's confirmation", _ADMINISTRATOR),
    89506: Errcode("PermissionDenied", "the administrator refused this IP address", "Ask again after 24 hours."),
    89507: Errcode("PermissionDenied", "the administrator refused this IP address", "Ask again after an hour."),
}

# A code that means something else at one endpoint.
_AT_ENDPOINT: Final[dict[tuple[int, str | None], Errcode]] = {
    (40013, "/cgi-bin/message/custom/send"): Errcode(
        "InvalidArgument",
        "the appid of the mini-program in the message is wrong",
        "Check the appid, and that the mini-program is linked to the account.",
    ),
}


def errcode_of(errcode: int, endpoint: str | None = None) -> Errcode:
    """
    Find what is known of a code; of an unknown one, that it is to be looked up.

    Args:
        errcode: WeChat's number.

        endpoint: The path of the call.
    """
    return _AT_ENDPOINT.get((errcode, endpoint)) or ERRCODES.get(errcode, _UNKNOWN)
