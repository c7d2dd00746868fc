"""What happens when a provider misbehaves: who is asked again, who is asked instead, and who rests.

    plan.py         whom an invocation may be sent to, in which order
    retry.py        what an error means, and how long to wait
    budget.py       how much retries may add
    breaker.py      an endpoint that failed time and again rests
    in_flight.py    how much is going on at once
    standing.py     each endpoint's breaker, budget and calls in flight, in this worker process
    attempts.py     all of it together, for one invocation
    resume.py       a stream that broke off, compared with another

It decides, and does no I/O; `app/pursuit.py` waits and calls.
"""

from __future__ import annotations

from app.failover.attempts import Attempt, Attempts
from app.failover.breaker import State
from app.failover.in_flight import InFlight
from app.failover.plan import Targets, targets
from app.failover.resume import Differs, Rest, Sent
from app.failover.standing import Standing, Standings, Visit

__all__ = [
    "Attempt",
    "Attempts",
    "Differs",
    "InFlight",
    "Rest",
    "Sent",
    "Standing",
    "Standings",
    "State",
    "Targets",
    "Visit",
    "targets",
]
