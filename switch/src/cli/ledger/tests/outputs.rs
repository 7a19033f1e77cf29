//! What people, scripts and spreadsheets read, letter by letter.

use super::history::{Office, id};

/// A command and its whole output, line by line. CSV records end in CRLF; here they are compared without.
fn check(words: &str, expected: &str) {
    let said = Office::small().say(words).fine();
    let lines = said.lines().map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(lines, expected.trim_start_matches('\n'), "{words}");
}

#[test]
fn csv_is_by_rfc_4180() {
    let said = Office::small().say("export").fine();
    assert!(said.ends_with("\r\n") && said.split("\r\n").all(|record| !record.contains(['\n', '\r', '"'])));
    let commas = said.split("\r\n").map(|record| record.matches(',').count());
    assert_eq!(commas.collect::<Vec<_>>(), [[15; 11].to_vec(), vec![0]].concat());
}

#[test]
fn the_accounts_and_what_stands_on_them() {
    check(
        "accounts",
        r"
account                 status  debits pending  debits posted  credits pending  credits posted   cap   available
funding:XTS             open              0.00     300,000.00             0.00            0.00
settlement:ALPHA:XTS    open              0.00       1,234.56             0.00      100,000.00  0.00   98,765.44
settlement:BRAVO:XTS    open              0.01           0.00             0.00      101,234.56  0.00  101,234.55
settlement:CHARLIE:XTS  open              0.00           0.00             0.01      100,000.00  0.00  100,000.00
funding:JPY             open                 0     30,000,000                0               0
settlement:ALPHA:JPY    open                 0              0                0      10,000,000     0  10,000,000
settlement:BRAVO:JPY    open                 0              0                0      10,000,000     0  10,000,000
settlement:CHARLIE:JPY  open                 0              0                0      10,000,000     0  10,000,000

accounts: 8, as of 2026-11-22T12:00:15.000000000Z, journal position 28
",
    );
    check(
        "accounts --json --currency XTS",
        r#"
{"ok":true,"at":null,"through":{"time":"2026-11-22T12:00:15.000000000Z","position":28},"accounts":[
{"account":"funding:XTS","kind":"funding","participant":null,"currency":"XTS","minor_digits":2,"status":"open","debits_pending":"0","debits_posted":"30000000","credits_pending":"0","credits_posted":"0","cap":null,"available":null},
{"account":"settlement:ALPHA:XTS","kind":"settlement","participant":"ALPHA","currency":"XTS","minor_digits":2,"status":"open","debits_pending":"0","debits_posted":"123456","credits_pending":"0","credits_posted":"10000000","cap":"0","available":"9876544"},
{"account":"settlement:BRAVO:XTS","kind":"settlement","participant":"BRAVO","currency":"XTS","minor_digits":2,"status":"open","debits_pending":"1","debits_posted":"0","credits_pending":"0","credits_posted":"10123456","cap":"0","available":"10123455"},
{"account":"settlement:CHARLIE:XTS","kind":"settlement","participant":"CHARLIE","currency":"XTS","minor_digits":2,"status":"open","debits_pending":"0","debits_posted":"0","credits_pending":"1","credits_posted":"10000000","cap":"0","available":"10000000"}]}
"#,
    );
    check(
        "accounts --csv --currency JPY",
        r"
account,kind,participant,currency,minor_digits,status,debits_pending,debits_posted,credits_pending,credits_posted,cap,available
funding:JPY,funding,,JPY,0,open,0,30000000,0,0,,
settlement:ALPHA:JPY,settlement,ALPHA,JPY,0,open,0,0,0,10000000,0,10000000
settlement:BRAVO:JPY,settlement,BRAVO,JPY,0,open,0,0,0,10000000,0,10000000
settlement:CHARLIE:JPY,settlement,CHARLIE,JPY,0,open,0,0,0,10000000,0,10000000
",
    );
    check(
        "accounts --participant BRAVO --at 2026-11-22T12:00:02.4Z",
        r"
account               status  debits pending  debits posted  credits pending  credits posted   cap   available
settlement:BRAVO:XTS  open              0.00           0.00         1,234.56      100,000.00  0.00  100,000.00
settlement:BRAVO:JPY  open                 0              0                0      10,000,000     0  10,000,000

accounts: 2, as of 2026-11-22T12:00:01.000000000Z, journal position 15
",
    );
}

#[test]
fn a_statement_of_everything() {
    check(
        "statement --participant ALPHA --currency XTS",
        r"
account          settlement:ALPHA:XTS
from             the beginning of the journal
to               the end of the journal
opening balance  0.00 XTS

time                      position  payment or reference                  counterpart     debit      credit     balance
2026-11-22T12:00:00.000Z         7  67656e65-7369-7300-0000-000100000002  (funding)              100,000.00  100,000.00
2026-11-22T12:00:02.500Z        17  11111111-1111-4a11-9b11-000000000001  BRAVO        1,234.56               98,765.44

closing balance  98,765.44 XTS
available        98,765.44 XTS
credits          100,000.00 XTS (entries: 1)
debits           1,234.56 XTS (entries: 1)
checked          opening + credits - debits = closing = the book at position 28
",
    );
    check(
        "statement --participant ALPHA --currency XTS --pending",
        r"
account          settlement:ALPHA:XTS
from             the beginning of the journal
to               the end of the journal
opening balance  0.00 XTS

time                      position  event     payment or reference                  counterpart     debit      credit     balance  debits pending
2026-11-22T12:00:00.000Z         7  booked    67656e65-7369-7300-0000-000100000002  (funding)              100,000.00  100,000.00            0.00
2026-11-22T12:00:01.000Z        15  reserved  11111111-1111-4a11-9b11-000000000001  BRAVO        1,234.56              100,000.00        1,234.56
2026-11-22T12:00:02.500Z        17  booked    11111111-1111-4a11-9b11-000000000001  BRAVO        1,234.56               98,765.44            0.00
2026-11-22T12:00:03.000Z        19  reserved  11111111-1111-4a11-9b11-000000000002  CHARLIE         50.00               98,765.44           50.00
2026-11-22T12:00:03.000Z        20  reserved  11111111-1111-4a11-9b11-000000000003  BRAVO                        7.00   98,765.44           50.00
2026-11-22T12:00:04.000Z        22  released  11111111-1111-4a11-9b11-000000000002  CHARLIE         50.00               98,765.44            0.00
2026-11-22T12:00:13.100Z        23  released  11111111-1111-4a11-9b11-000000000003  BRAVO                        7.00   98,765.44            0.00

closing balance  98,765.44 XTS
available        98,765.44 XTS
credits          100,000.00 XTS (entries: 1)
debits           1,234.56 XTS (entries: 1)
reserved         1,291.56 XTS (entries: 3)
released         57.00 XTS (entries: 2)
checked          opening + credits - debits = closing = the book at position 28
",
    );
    check(
        "statement --participant ALPHA --currency XTS --csv --pending",
        r"
time,position,event,kind,id,counterpart,credit_debit,amount,currency,balance,debits_pending,credits_pending
2026-11-22T12:00:00.000000000Z,7,booked,order,67656e65-7369-7300-0000-000100000002,,CRDT,10000000,XTS,10000000,0,0
2026-11-22T12:00:01.000000000Z,15,reserved,payment,11111111-1111-4a11-9b11-000000000001,BRAVO,DBIT,123456,XTS,10000000,123456,0
2026-11-22T12:00:02.500000000Z,17,booked,payment,11111111-1111-4a11-9b11-000000000001,BRAVO,DBIT,123456,XTS,9876544,0,0
2026-11-22T12:00:03.000000000Z,19,reserved,payment,11111111-1111-4a11-9b11-000000000002,CHARLIE,DBIT,5000,XTS,9876544,5000,0
2026-11-22T12:00:03.000000000Z,20,reserved,payment,11111111-1111-4a11-9b11-000000000003,BRAVO,CRDT,700,XTS,9876544,5000,700
2026-11-22T12:00:04.000000000Z,22,released,payment,11111111-1111-4a11-9b11-000000000002,CHARLIE,DBIT,5000,XTS,9876544,0,700
2026-11-22T12:00:13.100000000Z,23,released,payment,11111111-1111-4a11-9b11-000000000003,BRAVO,CRDT,700,XTS,9876544,0,0
",
    );
    check(
        "statement --participant ALPHA --currency XTS --json",
        r#"
{"account":"settlement:ALPHA:XTS","participant":"ALPHA","currency":"XTS","minor_digits":2,"from":null,"to":null,"opening_balance":{"code":"OPBD","amount":"0"},"entries":[
{"time":"2026-11-22T12:00:00.000000000Z","position":7,"event":"booked","kind":"order","id":"67656e65-7369-7300-0000-000100000002","counterpart":null,"credit_debit":"CRDT","amount":"10000000","currency":"XTS","balance":"10000000","debits_pending":"0","credits_pending":"0"},
{"time":"2026-11-22T12:00:02.500000000Z","position":17,"event":"booked","kind":"payment","id":"11111111-1111-4a11-9b11-000000000001","counterpart":"BRAVO","credit_debit":"DBIT","amount":"123456","currency":"XTS","balance":"9876544","debits_pending":"0","credits_pending":"0"}],"closing_balance":{"code":"CLBD","amount":"9876544"},"available_balance":{"code":"CLAV","amount":"9876544"},"debits_pending":"0","credits_pending":"0","credits":{"count":1,"sum":"10000000"},"debits":{"count":1,"sum":"123456"},"reserved":{"count":3,"sum":"129156"},"released":{"count":2,"sum":"5700"},"through":{"time":"2026-11-22T12:00:15.000000000Z","position":28},"ok":true}
"#,
    );
}

#[test]
fn a_statement_of_a_period() {
    check(
        "statement --participant ALPHA --currency XTS --from 2026-11-22T12:00:01Z --to 2026-11-22T12:00:02.5Z",
        r"
account          settlement:ALPHA:XTS
from             2026-11-22T12:00:01.000000000Z
to               2026-11-22T12:00:02.500000000Z
opening balance  100,000.00 XTS

time  position  payment or reference  counterpart  debit  credit  balance

closing balance  100,000.00 XTS
available        98,765.44 XTS
credits          0.00 XTS (entries: 0)
debits           0.00 XTS (entries: 0)
checked          opening + credits - debits = closing = the book at position 15
",
    );
    check(
        "statement --participant BRAVO --currency JPY --from 2030-11-22T12:00:01Z --csv",
        r"
time,position,event,kind,id,counterpart,credit_debit,amount,currency,balance,debits_pending,credits_pending
",
    );
}

#[test]
fn a_transfer_that_is_posted() {
    check(
        &format!("transfer {}", id(1)),
        r"
payment   11111111-1111-4a11-9b11-000000000001
state     posted (payment committed)
amount    1,234.56 XTS
debit     settlement:ALPHA:XTS
credit    settlement:BRAVO:XTS
reserved  2026-11-22T12:00:01.000000000Z, position 15
posted    2026-11-22T12:00:02.500000000Z, position 17
took      1,500.000 ms
",
    );
    check(
        &format!("transfer {} --json", id(1)),
        r#"
{"id":"11111111-1111-4a11-9b11-000000000001","found":true,"kind":"payment","state":"posted","outcome":"committed","reason":null,"field":null,"amount":"123456","currency":"XTS","minor_digits":2,"debit":{"account":"settlement:ALPHA:XTS","participant":"ALPHA"},"credit":{"account":"settlement:BRAVO:XTS","participant":"BRAVO"},"reserved":{"time":"2026-11-22T12:00:01.000000000Z","position":15},"ended":{"time":"2026-11-22T12:00:02.500000000Z","position":17}}
"#,
    );
}

#[test]
fn transfers_that_are_voided() {
    check(
        &format!("transfer {}", id(2)),
        r"
payment   11111111-1111-4a11-9b11-000000000002
state     voided (payment rejected, AC04)
amount    50.00 XTS
debit     settlement:ALPHA:XTS
credit    settlement:CHARLIE:XTS
reserved  2026-11-22T12:00:03.000000000Z, position 19
voided    2026-11-22T12:00:04.000000000Z, position 22
took      1,000.000 ms
",
    );
    check(
        &format!("transfer {}", id(3)),
        r"
payment   11111111-1111-4a11-9b11-000000000003
state     voided (payment expired, AB05)
amount    7.00 XTS
debit     settlement:BRAVO:XTS
credit    settlement:ALPHA:XTS
reserved  2026-11-22T12:00:03.000000000Z, position 20
voided    2026-11-22T12:00:13.100000000Z, position 23
took      10,100.000 ms
",
    );
}

#[test]
fn one_that_was_never_reserved() {
    check(
        &format!("transfer {}", id(4)),
        r"
payment   11111111-1111-4a11-9b11-000000000004
state     never reserved (payment rejected, AM13, amount)
amount    10,000.01 XTS
payer     ALPHA
payee     BRAVO
rejected  2026-11-22T12:00:14.000000000Z, position 25
",
    );
    check(
        &format!("transfer {} --json", id(4)),
        r#"
{"id":"11111111-1111-4a11-9b11-000000000004","found":true,"kind":"payment","state":null,"outcome":"rejected","reason":"AM13","field":"amount","amount":"1000001","currency":"XTS","minor_digits":null,"debit":{"account":null,"participant":"ALPHA"},"credit":{"account":null,"participant":"BRAVO"},"reserved":null,"ended":{"time":"2026-11-22T12:00:14.000000000Z","position":25}}
"#,
    );
}

#[test]
fn one_that_is_reserved() {
    check(
        &format!("transfer {}", id(5)),
        r"
payment   11111111-1111-4a11-9b11-000000000005
state     reserved (payment in flight)
amount    0.01 XTS
debit     settlement:BRAVO:XTS
credit    settlement:CHARLIE:XTS
reserved  2026-11-22T12:00:15.000000000Z, position 28
",
    );
}

#[test]
fn one_that_moved_at_once() {
    check(
        "transfer 67656e65-7369-7300-0000-000100000001",
        r"
order   67656e65-7369-7300-0000-000100000001
state     moved
amount    10,000,000 JPY
debit     funding:JPY
credit    settlement:ALPHA:JPY
moved     2026-11-22T12:00:00.000000000Z, position 6
",
    );
    check(
        "transfer 67656e65736973000000000100000001 --json",
        r#"
{"id":"67656e65-7369-7300-0000-000100000001","found":true,"kind":"order","state":"moved","outcome":null,"reason":null,"field":null,"amount":"10000000","currency":"JPY","minor_digits":0,"debit":{"account":"funding:JPY","participant":null},"credit":{"account":"settlement:ALPHA:JPY","participant":"ALPHA"},"reserved":null,"ended":{"time":"2026-11-22T12:00:00.000000000Z","position":6}}
"#,
    );
}

#[test]
fn everything_as_rows() {
    check(
        "export",
        r"
id,kind,state,outcome,reason,debit_account,credit_account,debit_participant,credit_participant,currency,minor_digits,amount,reserved_at,reserved_position,ended_at,ended_position
67656e65-7369-7300-0000-000100000001,order,moved,,,funding:JPY,settlement:ALPHA:JPY,,ALPHA,JPY,0,10000000,,,2026-11-22T12:00:00.000000000Z,6
67656e65-7369-7300-0000-000100000002,order,moved,,,funding:XTS,settlement:ALPHA:XTS,,ALPHA,XTS,2,10000000,,,2026-11-22T12:00:00.000000000Z,7
67656e65-7369-7300-0000-000200000001,order,moved,,,funding:JPY,settlement:BRAVO:JPY,,BRAVO,JPY,0,10000000,,,2026-11-22T12:00:00.000000000Z,9
67656e65-7369-7300-0000-000200000002,order,moved,,,funding:XTS,settlement:BRAVO:XTS,,BRAVO,XTS,2,10000000,,,2026-11-22T12:00:00.000000000Z,10
67656e65-7369-7300-0000-000300000001,order,moved,,,funding:JPY,settlement:CHARLIE:JPY,,CHARLIE,JPY,0,10000000,,,2026-11-22T12:00:00.000000000Z,12
67656e65-7369-7300-0000-000300000002,order,moved,,,funding:XTS,settlement:CHARLIE:XTS,,CHARLIE,XTS,2,10000000,,,2026-11-22T12:00:00.000000000Z,13
11111111-1111-4a11-9b11-000000000001,payment,posted,committed,,settlement:ALPHA:XTS,settlement:BRAVO:XTS,ALPHA,BRAVO,XTS,2,123456,2026-11-22T12:00:01.000000000Z,15,2026-11-22T12:00:02.500000000Z,17
11111111-1111-4a11-9b11-000000000002,payment,voided,rejected,AC04,settlement:ALPHA:XTS,settlement:CHARLIE:XTS,ALPHA,CHARLIE,XTS,2,5000,2026-11-22T12:00:03.000000000Z,19,2026-11-22T12:00:04.000000000Z,22
11111111-1111-4a11-9b11-000000000003,payment,voided,expired,AB05,settlement:BRAVO:XTS,settlement:ALPHA:XTS,BRAVO,ALPHA,XTS,2,700,2026-11-22T12:00:03.000000000Z,20,2026-11-22T12:00:13.100000000Z,23
11111111-1111-4a11-9b11-000000000005,payment,reserved,in_flight,,settlement:BRAVO:XTS,settlement:CHARLIE:XTS,BRAVO,CHARLIE,XTS,2,1,2026-11-22T12:00:15.000000000Z,28,,
",
    );
    check(
        "export --format jsonl --from 2026-11-22T12:00:04Z",
        r#"
{"id":"11111111-1111-4a11-9b11-000000000002","kind":"payment","state":"voided","outcome":"rejected","reason":"AC04","debit_account":"settlement:ALPHA:XTS","credit_account":"settlement:CHARLIE:XTS","debit_participant":"ALPHA","credit_participant":"CHARLIE","currency":"XTS","minor_digits":2,"amount":"5000","reserved_at":"2026-11-22T12:00:03.000000000Z","reserved_position":19,"ended_at":"2026-11-22T12:00:04.000000000Z","ended_position":22}
{"id":"11111111-1111-4a11-9b11-000000000003","kind":"payment","state":"voided","outcome":"expired","reason":"AB05","debit_account":"settlement:BRAVO:XTS","credit_account":"settlement:ALPHA:XTS","debit_participant":"BRAVO","credit_participant":"ALPHA","currency":"XTS","minor_digits":2,"amount":"700","reserved_at":"2026-11-22T12:00:03.000000000Z","reserved_position":20,"ended_at":"2026-11-22T12:00:13.100000000Z","ended_position":23}
{"id":"11111111-1111-4a11-9b11-000000000005","kind":"payment","state":"reserved","outcome":"in_flight","reason":null,"debit_account":"settlement:BRAVO:XTS","credit_account":"settlement:CHARLIE:XTS","debit_participant":"BRAVO","credit_participant":"CHARLIE","currency":"XTS","minor_digits":2,"amount":"1","reserved_at":"2026-11-22T12:00:15.000000000Z","reserved_position":28,"ended_at":null,"ended_position":null}
"#,
    );
    check(
        "export --what accounts --to 2026-11-22T12:00:02.5Z",
        r"
account,kind,participant,currency,minor_digits,status,debits_pending,debits_posted,credits_pending,credits_posted,cap,available
funding:XTS,funding,,XTS,2,open,0,30000000,0,0,,
settlement:ALPHA:XTS,settlement,ALPHA,XTS,2,open,123456,0,0,10000000,0,9876544
settlement:BRAVO:XTS,settlement,BRAVO,XTS,2,open,0,0,123456,10000000,0,10000000
settlement:CHARLIE:XTS,settlement,CHARLIE,XTS,2,open,0,0,0,10000000,0,10000000
funding:JPY,funding,,JPY,0,open,0,30000000,0,0,,
settlement:ALPHA:JPY,settlement,ALPHA,JPY,0,open,0,0,0,10000000,0,10000000
settlement:BRAVO:JPY,settlement,BRAVO,JPY,0,open,0,0,0,10000000,0,10000000
settlement:CHARLIE:JPY,settlement,CHARLIE,JPY,0,open,0,0,0,10000000,0,10000000
",
    );
}
