"""Operators: a peer's node signs with a key of its own, which may make the calls of a node, and no others, for the peer."""

from __future__ import annotations

from ..frame.calls import Call, dispatch
from ..frame.dispatch import DispatchError, DispatchInfo, Origin, Post
from ..storage import State
from .block import deposit
from .errors import Error, ensure
from .events import OperatorSet
from .items import Operators
from .limits import OPERABLE, PALLET
from .offers import ensure_peer
from .weights import OPERATE


def is_operable(call: Call) -> bool:
    """Return whether an operator may make a call for a peer."""
    return call.pallet == PALLET and call.index in OPERABLE


def is_operator(s: State, account: bytes, peer: bytes) -> bool:
    """Return whether an account is a peer's operator."""
    return Operators.get(s, peer) == account


def set_operator(s: State, account: bytes, operator: bytes | None) -> None:
    """Let another account, or none any more, make a peer's calls. Raises NotAPeer."""
    ensure_peer(s, account)
    if operator is None:
        Operators.remove(s, account)
    else:
        Operators.put(s, account, operator)
    deposit(s, OperatorSet(account, operator))


def operate(s: State, origin: Origin, peer: bytes, call: Call) -> Post:
    """Make a call as a peer's own. Its error, weight and fee are the call's."""
    account = origin.signed()
    ensure(is_operator(s, account, peer), Error.NotOperator)
    ensure(is_operable(call), Error.NotOperable)
    info = call.info()
    try:
        post = dispatch(s, Origin(peer), call)
    except DispatchError as error:
        error.weight = OPERATE + Post(error.weight).used(info)
        raise
    return Post(OPERATE + post.used(info), post.free)


def operate_info(_peer: bytes, call: Call) -> DispatchInfo:
    """Return weight and class of `operate`."""
    info = call.info()
    return DispatchInfo(OPERATE + info.weight, info.kind)
