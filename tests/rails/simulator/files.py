"""Files of direct debits as a creditor's program writes them."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from tests.rails.simulator.desk import CREDITOR, DEBTOR

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"
STATUS = "{urn:iso:std:iso:20022:tech:xsd:pain.002.001.10}"


def debit(end_to_end_id: str, amount: str = "12.34", **changes: Any) -> str:
    """One DrctDbtTxInf; a part set to None is left out."""
    parts = {
        "currency": "EUR",
        "mandate": "MANDATE-1",
        "debtor": DEBTOR,
        "name": "Ann Example",
        "remittance": "Order 7",
        **changes,
    }
    mandate = f"<MndtId>{parts['mandate']}</MndtId>" if parts["mandate"] else ""
    return (
        f"<DrctDbtTxInf><PmtId><InstrId>I-{end_to_end_id}</InstrId><EndToEndId>{end_to_end_id}</EndToEndId></PmtId>"
        f'<InstdAmt Ccy="{parts["currency"]}">{amount}</InstdAmt>'
        f"<DrctDbtTx><MndtRltdInf>{mandate}<DtOfSgntr>2026-01-01</DtOfSgntr></MndtRltdInf></DrctDbtTx>"
        "<DbtrAgt><FinInstnId><BICFI>SIMBDEFFXXX</BICFI></FinInstnId></DbtrAgt>"
        f"<Dbtr><Nm>{escape(parts['name'])}</Nm></Dbtr><DbtrAcct><Id><IBAN>{parts['debtor']}</IBAN></Id></DbtrAcct>"
        f"<RmtInf><Ustrd>{parts['remittance']}</Ustrd></RmtInf></DrctDbtTxInf>"
    )


def batch(*debits: str, **changes: Any) -> str:
    """One PmtInf."""
    parts = {"id": "PMT-1", "booking": "true", "date": "2026-03-05", "iban": CREDITOR, "instrument": "CORE", **changes}
    return (
        f"<PmtInf><PmtInfId>{parts['id']}</PmtInfId><PmtMtd>DD</PmtMtd><BtchBookg>{parts['booking']}</BtchBookg>"
        f"<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl><LclInstrm><Cd>{parts['instrument']}</Cd></LclInstrm>"
        f"<SeqTp>RCUR</SeqTp></PmtTpInf><ReqdColltnDt>{parts['date']}</ReqdColltnDt><Cdtr><Nm>Shop</Nm></Cdtr>"
        f"<CdtrAcct><Id><IBAN>{parts['iban']}</IBAN></Id></CdtrAcct>{''.join(debits)}</PmtInf>"
    )


def file(*batches: str, message_id: str = "MSG-1", count: int | None = None, control_sum: str | None = None) -> bytes:
    """A whole message; it counts its debits right unless it is told what to say."""
    body = "".join(batches)
    number = body.count("<DrctDbtTxInf>") if count is None else count
    total = f"<CtrlSum>{control_sum}</CtrlSum>" if control_sum else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="{NAMESPACE}"><CstmrDrctDbtInitn><GrpHdr>'
        f"<MsgId>{message_id}</MsgId><CreDtTm>2026-03-01T09:00:00Z</CreDtTm><NbOfTxs>{number}</NbOfTxs>{total}"
        f"<InitgPty><Nm>Shop</Nm></InitgPty></GrpHdr>{body}</CstmrDrctDbtInitn></Document>"
    ).encode()
