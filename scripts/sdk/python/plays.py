# Plays a part with Customer.io's own Python library against a Track API, and
# prints what the caller sees of each call as a line of JSON:
#   python plays.py PLAY < settings
# Settings are {"url","site","key","prefix"}: where the API is (https alone, as the
# library), who calls, and what the names of this run begin with.
import inspect
import json
import sys
from datetime import datetime, timezone
from urllib.parse import urlsplit

from customerio import CustomerIO, CustomerIOException

settings = json.load(sys.stdin)
url = urlsplit(settings["url"])
prefix = settings["prefix"]


def client(key=None, **more):
    return CustomerIO(settings["site"], key or settings["key"], host=url.hostname, port=url.port, timeout=20, **more)


cio = client()


def p(name):
    return f"{prefix}-{name}"


def mail(name):
    return f"{p(name)}@example.com"


def call(method, who, *args, **kwargs):
    """Makes one call and tells how it ended for the caller."""
    line = {"call": method}
    try:
        answer = getattr(who, method)(*args, **kwargs)
        line.update(ok=True, status=answer.status_code, answer=answer.json() if answer.content else None)
    except CustomerIOException as e:
        # The status stands in the message alone.
        head = str(e).split(":")[0]
        line.update(ok=False, error=type(e).__name__, status=int(head) if head.isdigit() else 0, message=str(e))
    print(json.dumps(line), flush=True)


def say(method, *args, **kwargs):
    call(method, cio, *args, **kwargs)


def alone():
    """One call after another, as an application does; what concerns several
    people comes in `together`, once these stand."""
    say("identify", p("buyer"), email=mail("buyer"), created_at=datetime(2013, 2, 18, 16, 35, 8, tzinfo=timezone.utc), plan="basic")
    say("identify", p("buyer"), plan="pro", note="naïve 日本 \U0001F600", unsubscribed=False)
    say("identify", p("a/b+c%2F?x=1&y d"), x=1)
    say("identify", f"{prefix}+tag@Example.com", x=2)
    say("identify", settings["number"], x=3)
    say("track", p("buyer"), "purchase", {"price": 23.45})
    say("track", p("buyer"), "purchase", {"price": 23.45})
    for _ in range(2):
        say("track", p("buyer"), "refund", id=settings["ulid"], timestamp=1613063089)
    say("pageview", p("buyer"), "/home?x=1", referrer="/")
    say("backfill", p("backfilled"), "bought", 1613063089, price=1, nothing=float("nan"))
    say("track_anonymous", p("anon"), "watched", {"video": "intro"})
    say("track_anonymous", None, p("invited"), {"recipient": mail("friend")})
    say("add_device", p("buyer"), p("phone"), "ios", last_used=1613063089, attributes={"app_version": "1.2"})
    say("add_device", p("buyer"), p("old/phone"), "android")
    say("delete_device", p("buyer"), p("old/phone"))
    say("identify", p("gone"), x=1)
    say("delete", p("gone"))
    say("identify", p("blocked"), x=1)
    say("suppress", p("blocked"))
    say("identify", p("blocked"), x=2)
    say("suppress", p("freed"))
    say("unsuppress", p("freed"))
    say("identify", p("freed"), x=1)
    say("identify", p("kept"), a=1)
    say("identify", p("twin"), b=2)
    say("batch", [
        {"type": "person", "action": "identify", "identifiers": {"id": p("batched")}, "attributes": {"plan": "x"}},
        {"type": "person", "action": "event", "identifiers": {"id": p("batched")}, "name": "purchase", "attributes": {"price": 1}},
    ])


def together():
    say("merge_customers", "id", p("kept"), "id", p("twin"))
    # All that makes a request, so that a new version brings nothing unseen.
    own = inspect.getmembers(CustomerIO, inspect.isfunction)
    sending = sorted(name for name, f in own if not name.startswith("_") and "self.send_request(" in inspect.getsource(f))
    print(json.dumps({"call": "methods", "ok": True, "answer": sending}))


def refused():
    call("identify", client("not the key"), p("nobody"), x=1)
    say("track", p("nobody"), "n" * 101)
    say("merge_customers", "id", p("nobody"), "id", "x" * 151)
    say("batch", [
        {"type": "person", "action": "identify", "identifiers": {"id": p("half")}, "attributes": {"x": 1}},
        {"type": "person", "action": "event", "identifiers": {"id": p("half")}},
    ])


def away():
    """What the caller sees when its library does not try again."""
    call("identify", client(retries=0), p("away"), x=1)


def retried():
    say("track", p("retried"), "once", {"price": 1})


{"alone": alone, "together": together, "refused": refused, "away": away, "retried": retried}[sys.argv[1]]()
