"""camt files of any version and prefix are read to the last digit; what cannot be understood names its place."""

from __future__ import annotations

import io
import itertools
import tracemalloc
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.money import EXPONENTS
from rails.formats.camt import BODIES, load_camt, read_camt
from rails.formats.document import InvalidDocument, Limits
from rails.formats.statement import Entry, StatementEnd, StatementHead
from tests.rails.formats.written_camt import Writer, WrittenEntry, WrittenStatement

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = WrittenStatement((WrittenEntry("12.50", end_to_end_id="E1"),), opening="100.00", closing="112.50")
MEMORY_BOUND_BYTES = 8 * 1024**2

texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" "), min_size=1).filter(
    lambda text: text == text.strip()
)


@st.composite
def written_entries(draw: st.DrawFn, currency: str) -> WrittenEntry:
    exponent = EXPONENTS[currency]
    minor = draw(st.integers(-(10**12), 10**12))
    amount = f"{Decimal(minor).scaleb(-exponent):f}"
    if "." in amount:
        amount += draw(st.sampled_from(["", "0", "000"]))
    return WrittenEntry(
        amount=amount,
        currency=currency,
        status=draw(st.sampled_from(["BOOK", "PDNG", "INFO"])),
        booked_on=draw(st.dates(date(1999, 1, 1), date(2099, 12, 31))),
        end_to_end_id=draw(st.none() | texts),
        mandate_id=draw(st.none() | texts),
        reference=draw(st.none() | texts),
        text=draw(st.none() | texts),
        name=draw(st.none() | texts),
        iban=draw(st.none() | st.just("NL26VAYB8060476890")),
        return_reason=draw(st.none() | st.sampled_from(["AC04", "MD06"])),
        reversal=draw(st.booleans()),
    )


@st.composite
def written_statements(draw: st.DrawFn) -> WrittenStatement:
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD", "CLF", "CHF"]))
    entries = draw(st.lists(written_entries(currency), max_size=5))
    opening = Decimal(draw(st.integers(-(10**12), 10**12))).scaleb(-EXPONENTS[currency])
    closing = opening + sum(Decimal(entry.amount) for entry in entries if entry.status == "BOOK")
    return WrittenStatement(tuple(entries), f"{opening:f}", f"{closing:f}", currency)


@settings(max_examples=60, deadline=None)
@given(
    statements=st.lists(written_statements(), min_size=1, max_size=3),
    message=st.sampled_from(["052", "053", "054"]),
    version=st.integers(2, 13),
    prefix=st.sampled_from(["", "n0", "camt"]),
)
def test_what_was_written_is_read(statements: list[WrittenStatement], message: str, version: int, prefix: str) -> None:
    document = Writer(message, f"{version:02}", prefix).message(*statements)
    read = load_camt(io.BytesIO(document))
    assert len(read) == len(statements)
    for got, given_ in zip(read, statements, strict=True):
        assert (got.head.message, got.head.version) == (f"camt.{message}", f"{version:02}")
        assert (got.end.checked, got.end.breaks) == (True, ())
        assert [written(entry) for entry in got.entries] == list(given_.entries)
        assert [entry.number for entry in got.entries] == list(range(1, len(given_.entries) + 1))
        for entry in got.entries:
            assert entry.amount.exact
            exact = Decimal(entry.amount.reported).scaleb(EXPONENTS[given_.currency])
            assert entry.amount.amount_minor == exact


def written(entry: Entry) -> WrittenEntry:
    """Back to how it was written."""
    (detail,) = entry.details
    assert entry.booked_on is not None
    assert entry.bank_code.domain is not None
    assert entry.bank_code.family is not None
    assert entry.bank_code.sub_family is not None
    return WrittenEntry(
        amount=entry.amount.reported,
        currency=entry.amount.currency,
        status=entry.status,
        booked_on=entry.booked_on,
        end_to_end_id=detail.end_to_end_id,
        mandate_id=detail.mandate_id,
        reference=next(iter(detail.creditor_references), None),
        text=next(iter(detail.remittance), None),
        name=detail.debtor.name,
        iban=detail.debtor.iban,
        return_reason=detail.return_reason,
        reversal=entry.reversal,
        code=(entry.bank_code.domain, entry.bank_code.family, entry.bank_code.sub_family),
        servicer_reference=entry.servicer_reference,
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_whole_or_refused_with_a_place(data: st.DataObject) -> None:
    document = Writer().message(ONE)
    start = data.draw(st.integers(0, len(document)))
    end = data.draw(st.integers(start, min(len(document), start + 40)))
    damaged = document[:start] + data.draw(st.binary(max_size=6)) + document[end:]
    try:
        (statement,) = load_camt(io.BytesIO(damaged))
    except InvalidDocument as error:
        event(f"refused with a place: {bool(error.place)}")
    else:
        assert statement.end.entries == len(statement.entries)


def changed(old: str, new: str) -> bytes:
    document = Writer().message(ONE)
    assert old.encode() in document
    return document.replace(old.encode(), new.encode(), 1)


class TestWhatCannotBeUnderstood:
    @pytest.mark.parametrize(
        ("document", "place"),
        [
            (b"", r"line 1: is not well-formed XML"),
            (b"\xff\xfe\x00", r"line 1"),
            (b"<a/>", r"line 1: has no element Document"),
            (b"<Document/>", r"Document: has none of BkToCstmrAcctRpt"),
            (b"<Document><Else/></Document>", r"Else: is no account report"),
            (Writer().message(ONE)[:-20], r"line 2: is not well-formed XML"),
            (Writer().message(), r"BkToCstmrStmt: has no Stmt"),
            (Writer(version="01").message(ONE), r"camt\.053\.001\.01: versions 02 to 13"),
            (Writer(version="14").message(ONE), r"camt\.053\.001\.14: versions 02 to 13"),
            (changed("camt.053.001.08", "camt.054.001.08"), r"BkToCstmrStmt: is in the namespace"),
            (changed(">12.50<", ">12,50<"), r"Stmt\[1\]/Ntry\[1\]/Amt \(line 2\): is '12,50', which is no amount"),
            (changed(">12.50<", ">-12.50<"), r"Ntry\[1\]/Amt"),
            (changed(">12.50<", ">1e2<"), r"Ntry\[1\]/Amt"),
            (changed(">12.50<", "><"), r"Ntry\[1\]/Amt"),
            (changed(">12.50<", ">99999999999999.00<"), r"Ntry\[1\]/Amt.*more than"),
            (changed('Ccy="EUR">12.50', 'Ccy="EURO">12.50'), r"Ntry\[1\]/Amt.*'EURO', which is no currency"),
            (changed('Ccy="EUR">12.50', ">12.50"), r"Ntry\[1\]/Amt.*'', which is no currency"),
            (changed("CRDT</CdtDbtInd><Sts>", "CREDIT</CdtDbtInd><Sts>"), r"Ntry\[1\]/CdtDbtInd.*CRDT or DBIT"),
            (changed("<Cd>BOOK</Cd>", ""), r"Ntry\[1\]/Sts .*is missing or empty"),
            (changed("<Sts>", "<RvslInd>ja</RvslInd><Sts>"), r"Ntry\[1\]/RvslInd"),
            (changed("<BookgDt><Dt>2026-11-25", "<BookgDt><Dt>2026-02-30"), r"Ntry\[1\]/BookgDt/Dt.*is no date"),
            (changed("<BookgDt><Dt>2026-11-25", "<BookgDt><Dt>25.11.2026"), r"Ntry\[1\]/BookgDt/Dt.*is no date"),
            (changed("<IBAN>DE89370400440532013000</IBAN>", ""), r"Stmt\[1\]/Acct/Id.*neither IBAN"),
            (changed("<Id>statement-1</Id>", ""), r"Stmt\[1\]/Id"),
            (changed("100.00", "one"), r"Stmt\[1\]/Bal/Amt"),
            (changed("<Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp>", ""), r"Stmt\[1\]/Bal/Tp"),
            (changed("</Ntry>", "</Ntry><Bal/>"), r"Stmt\[1\]/Bal: comes after the first Ntry"),
            (changed("2026-11-25T06:00:00", "soon") + b"<Document/>", r"is not well-formed"),
        ],
    )
    def test_it_is_refused_with_the_place_and_never_read_as_nothing(self, document: bytes, place: str) -> None:
        with pytest.raises(InvalidDocument, match=place):
            load_camt(io.BytesIO(document))

    def test_the_entry_and_statement_at_fault_are_counted(self) -> None:
        good, bad = WrittenEntry("1.00"), WrittenEntry("1.00", currency="XXX")
        document = Writer("054", "04").message(WrittenStatement((good,)), WrittenStatement((good, good, bad)))
        told = read_camt(io.BytesIO(document))
        with pytest.raises(InvalidDocument, match=r"^BkToCstmrDbtCdtNtfctn/Ntfctn\[2\]/Ntry\[3\]/Amt \(line 2\): "):
            list(told)

    def test_elements_of_another_namespace_are_not_taken_for_ours(self) -> None:
        strange = changed("</Stmt>", '<x:Ntry xmlns:x="urn:other"><x:Amt>1</x:Amt></x:Ntry></Stmt>')
        (statement,) = load_camt(io.BytesIO(strange))
        assert len(statement.entries) == 1

    def test_a_message_in_an_envelope_is_read(self) -> None:
        document = Writer().message(ONE).partition(b"\n")[2]
        (statement,) = load_camt(io.BytesIO(b"<e:Envelope xmlns:e='urn:e'><e:Hdr/>" + document + b"</e:Envelope>"))
        assert statement.end.entries == 1
        with pytest.raises(InvalidDocument, match="second Document"):
            load_camt(io.BytesIO(b"<Envelope>" + document * 2 + b"</Envelope>"))


BILLION_LAUGHS = (
    '<!DOCTYPE Document [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in itertools.pairwise("abcdefghij"))
    + "]>"
)
EVIL = {
    "billion laughs": (BILLION_LAUGHS, "&j;"),
    "quadratic blow-up": (f'<!DOCTYPE Document [<!ENTITY a "{"a" * 50_000}">]>', "&a;" * 1_000),
    "external entity": ('<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/hostname">]>', "&a;"),
    "external subset": ('<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/evil.dtd">', "x"),
    "parameter entity": ('<!DOCTYPE Document [<!ENTITY % a SYSTEM "http://127.0.0.1:9/evil.dtd"> %a;]>', "x"),
    "harmless document type": ("<!DOCTYPE Document>", "x"),
}


class TestWhatWouldDoHarm:
    @pytest.mark.parametrize("name", EVIL)
    def test_a_document_type_is_refused_before_anything_is_expanded(self, name: str) -> None:
        declaration, use = EVIL[name]
        document = changed("<Id>statement-1</Id>", f"<Id>{use}</Id>").replace(b"?>\n", b"?>" + declaration.encode(), 1)
        with pytest.raises(InvalidDocument, match=r"line 1: declares a document type or entities"):
            load_camt(io.BytesIO(document))

    @pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-1"])
    def test_other_encodings_are_read_and_no_way_around_it(self, encoding: str) -> None:
        text = Writer().message(ONE).decode().replace('"UTF-8"', f'"{encoding}"')
        (statement,) = load_camt(io.BytesIO(text.encode(encoding)))
        assert statement.end.entries == 1
        evil = text.replace("?>\n", "?>" + BILLION_LAUGHS, 1)
        with pytest.raises(InvalidDocument, match="declares a document type"):
            load_camt(io.BytesIO(evil.encode(encoding)))

    def test_an_encoding_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(InvalidDocument, match="line 1"):
            load_camt(io.BytesIO(b'<?xml version="1.0" encoding="KLINGON"?><Document/>'))

    @pytest.mark.parametrize(
        ("limits", "document", "problem"),
        [
            (Limits(document_bytes=500), Writer().message(ONE), "longer than 500 bytes"),
            (Limits(depth=5), Writer().message(ONE), "lie deeper than 5"),
            (Limits(), changed("<Id>statement-1", "<a>" * 200), "lie deeper than 64"),
            (Limits(piece_elements=1_000), changed("<Sts>", "<a/>" * 2_000 + "<Sts>"), "more than 1000 elements"),
            (
                Limits(piece_bytes=100_000),
                changed("<Sts>", "<a>b</a>" * 40_000 + "<Sts>"),
                "one piece is longer than 100000 bytes",
            ),
            (Limits(), changed("statement-1", "x" * 2_000_000), "one text or tag is longer than 1048576 bytes"),
            (Limits(), changed("<Id>statement-1", f'<Id a="{"x" * 2_000_000}">'), "one text or tag is longer than"),
            (Limits(), changed("<?xml", "<!--" + "x" * 2_000_000 + "--><?xml"), "one text or tag|not well-formed"),
        ],
    )
    def test_what_is_too_much_is_refused(self, limits: Limits, document: bytes, problem: str) -> None:
        with pytest.raises(InvalidDocument, match=problem):
            load_camt(io.BytesIO(document), limits)


class TestFiguresThatDisagree:
    def test_a_closing_balance_that_is_not_opening_and_entries_is_told_to_the_last_digit(self) -> None:
        wrong = replace(ONE, closing="112.505")
        (statement,) = load_camt(io.BytesIO(Writer().message(wrong)))
        (told,) = statement.end.breaks
        assert (told.kind, told.expected, told.found) == ("closing_balance", "112.50", "112.505")
        assert told.place == "BkToCstmrStmt/Stmt[1]/Bal(CLBD)"

    def test_what_is_not_booked_counts_for_no_balance(self) -> None:
        pending = WrittenEntry("7.00", status="PDNG")
        (statement,) = load_camt(io.BytesIO(Writer().message(replace(ONE, entries=(*ONE.entries, pending)))))
        assert (statement.end.checked, statement.end.breaks, statement.end.booked) == (True, (), 1)

    def test_without_both_balances_nothing_was_checked(self) -> None:
        (statement,) = load_camt(io.BytesIO(Writer().message(replace(ONE, opening=None))))
        assert not statement.end.checked

    def test_a_summary_that_counts_otherwise_is_told(self) -> None:
        summary = "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries><Sum>13.00</Sum></TtlNtries></TxsSummry><Ntry>"
        (statement,) = load_camt(io.BytesIO(changed("<Ntry>", summary)))
        assert [(each.kind, each.expected, each.found) for each in statement.end.breaks] == [
            ("entry_count", "2", "1"),
            ("entry_sum", "13.00", "12.50"),
        ]

    def test_credits_and_debits_are_counted_apart(self) -> None:
        entries = (*ONE.entries, WrittenEntry("-2.00"), WrittenEntry("-3.00"))
        told = "".join(
            f"<{name}><NbOfNtries>{count}</NbOfNtries><Sum>{total}</Sum></{name}>"
            for name, count, total in (("TtlCdtNtries", 1, "12.50"), ("TtlDbtNtries", 2, "5.01"))
        )
        document = Writer().message(WrittenStatement(entries)).replace(b"<Ntry>", b"<TxsSummry/><Ntry>", 1)
        (statement,) = load_camt(
            io.BytesIO(document.replace(b"<TxsSummry/>", f"<TxsSummry>{told}</TxsSummry>".encode()))
        )
        (wrong,) = statement.end.breaks
        assert (wrong.kind, wrong.expected, wrong.found) == ("entry_sum", "5.01", "5.00")
        assert wrong.place == "BkToCstmrStmt/Stmt[1]/TxsSummry/TtlDbtNtries/Sum"

    def test_an_amount_with_parts_of_a_minor_unit_is_kept_beside_its_rounding(self) -> None:
        entries = tuple(WrittenEntry(amount) for amount in ("0.005", "0.015", "-0.004", "1.00000"))
        (statement,) = load_camt(io.BytesIO(Writer().message(WrittenStatement(entries, "0", "1.016"))))
        amounts = [entry.amount for entry in statement.entries]
        assert [each.amount_minor for each in amounts] == [0, 2, 0, 100]
        assert [each.reported for each in amounts] == ["0.005", "0.015", "-0.004", "1.00000"]
        assert [each.exact for each in amounts] == [False, False, False, True]
        assert statement.end.breaks == ()


class _Endless(io.RawIOBase):
    """A file that is written while it is read, so that only the reader's memory is measured."""

    def __init__(self, entries: int) -> None:
        document = Writer().message(WrittenStatement((WrittenEntry("0.01", end_to_end_id="E", text="order"),), "0"))
        self._head, _, tail = document.partition(b"<Ntry>")
        self._entry, _, self._tail = (b"<Ntry>" + tail).partition(b"</Ntry>")
        self._parts = self._made(entries)
        self._left = b""

    def _made(self, entries: int) -> Iterator[bytes]:
        yield self._head
        for _ in range(entries // 100):
            yield (self._entry + b"</Ntry>") * 100
        yield self._tail

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (part := next(self._parts, b"")):
            self._left += part
        given_, self._left = self._left[:size], self._left[size:]
        return given_


@pytest.mark.parametrize("length", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_long_file_takes_the_memory_of_its_largest_entry(length: int) -> None:
    sum_minor = entries = heads = ends = 0
    for told in read_camt(cast("io.BytesIO", _Endless(length))):
        if isinstance(told, Entry):
            entries += 1
            sum_minor += told.amount.amount_minor
            # measuring costs three times the reading: it begins late, where a leak would still grow
            if entries == length - 2_000:
                tracemalloc.start()
        heads += isinstance(told, StatementHead)
        ends += isinstance(told, StatementEnd)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (heads, entries, sum_minor, ends) == (1, length, length, 1)
    assert peak < MEMORY_BOUND_BYTES


def test_every_body_is_written_and_read_here() -> None:
    assert sorted(number for number, _ in BODIES.values()) == ["052", "053", "054"]
