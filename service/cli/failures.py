"""The failure codes of the service's errors, for people and machines."""

from __future__ import annotations

from typing import Any

from .output import INTERNAL, Failure

CODES: dict[str, str] = {
    "service.vault.passphrase.PassphraseError": "passphrase",
    "service.vault.keys.KeyFileError": "key_file",
    "service.roles.sponsor.checks.WrongFeedKey": "wrong_feed_key",
    "service.roles.sponsor.checks.BadHeadSignature": "bad_signature",
    "service.roles.sponsor.checks.SmallOrderKey": "small_order_key",
    "service.roles.sponsor.checks.BadHead": "bad_head",
    "service.roles.sponsor.checks.BadRanges": "bad_ranges",
    "service.roles.sponsor.checks.OversizedBlock": "oversized_block",
    "service.roles.sponsor.checks.TinyBlocks": "tiny_blocks",
    "service.roles.sponsor.lease.TooLong": "too_long",
    "service.roles.sponsor.refusals.AmendTooWide": "amend_too_wide",
    "service.roles.sponsor.checks.BadTerms": "bad_terms",
    "service.roles.sponsor.refusals.NoFunds": "no_funds",
    "service.roles.sponsor.refusals.PlanRefused": "plan_refused",
    "service.operating.transfers.TransferRefused": "transfer_refused",
    "service.operating.operators.OperatorRefused": "operator_refused",
    "service.roles.hoster.notices.HosterRefused": "hoster_refused",
    "service.roles.sponsor.served.Unserved": "unserved",
    "service.roles.sponsor.checks.PublicationError": "refused",
    "service.disk.DiskError": "storage",
    "sqlite3.Error": "storage",
    "service.chain_client.errors.DispatchError": "dispatch",
    "service.chain_client.errors.InvalidTransaction": "invalid_transaction",
    "service.chain_client.errors.NotIncluded": "not_included",
    "service.chain_client.errors.NotOperable": "operators_key",
    "service.chain_client.errors.NotOperator": "not_operator",
    "service.chain_client.errors.OutcomeLost": "outcome_lost",
    "service.chain_client.errors.StateDiscarded": "state_discarded",
    "service.chain_client.errors.UnknownRuntime": "unknown_runtime",
    "service.chain_client.errors.WrongChain": "wrong_chain",
    "service.chain_client.errors.ConnectionLost": "chain_unreachable",
    "service.chain_client.errors.TableError": "storage",
    "service.chain_client.errors.ChainError": "chain",
    "service.hypercore.wire.errors.WireError": "network",
    "service.hypercore.swarm.dht.sockets.DhtError": "dht",
    "service.feeds.archive.format.ArchiveError": "archive",
    "service.feeds.export.ExportError": "export",
    "service.feeds.encryption.EncryptionKeyError": "encryption_key",
    "service.feeds.verify.VerifyError": "damaged",
    "service.hypercore.stored.CoreError": "feed",
    "service.hypercore.manifest.ManifestError": "feed",
    "service.hypercore.tree.proof.ProofError": "feed",
    "service.hypercore.codec.CodecError": "feed",
    "service.hypercore.crypto.CryptoError": "feed",
    "service.encoding.errors.BackendError": "node",
    "service.operating.alerts.targets.TargetError": "alert_target",
    "service.node.settings.NodeError": "node",
    "service.roles.common.registration.RegistrationError": "node",
    "service.roles.common.rotation.RotationRefused": "rotation_refused",
    "service.devnet.network.DevnetError": "node",
    "service.devnet.processes.ProcessFailed": "node",
}
"""The code of each kind of error, by the full name of its class: to import them all would take every command a second."""

REMEDIES: dict[str, str] = {
    "chain_unreachable": "see that the chain's node runs, and that --chain (or DATDOT_CHAIN, or the file of settings) "
    "is its address",
    "wrong_chain": "nothing is lost, and nothing was sent to it: name with --chain the chain that this directory belongs to; "
    "if that one is gone for good, as a development chain that began anew, start in a new directory",
}
"""What to do about errors whose messages cannot know it, by their code."""


def failure_of(error: Exception, where: str = "") -> Failure:
    """Return the failure to show: the code is that of the nearest class. An error without a code keeps its type."""
    while isinstance(error, ExceptionGroup):  # of tasks that ended together, the first error tells why
        error = error.exceptions[0]
    if isinstance(error, Failure):
        return error
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return Failure("os", error.strerror or str(error), str(error.filename or where))
    for kind in type(error).__mro__:
        code = CODES.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            return Failure(code, "; ".join(filter(None, (str(error), REMEDIES.get(code)))), _place(error) or where)
    return Failure(INTERNAL, f"{type(error).__name__}: {error}", where)


def _place(error: Any) -> str:
    """Return the pallet and the name of an error that a runtime answered, and of others nothing."""
    return f"{error.pallet}.{error.name}" if hasattr(error, "pallet") and hasattr(error, "name") else ""
