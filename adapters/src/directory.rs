//! The directory's words on the wire: operations, results, forms and purposes, each with its number. The rules are `docs/directory-rules.md`.
//!
//! Here are numbers and names; what they lead to is decided by the switch.

/// Declares a closed set of numbers on the wire, with names for documents, reports and screens.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $number:literal $text:literal;)* }) => {
        $(#[$doc])*
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$item_doc])* $item = $number,)* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [$name] = &[$($name::$item,)*];

            /// The one with this number on the wire.
            pub fn from_number(number: u8) -> Option<$name> {
                match number {
                    $($number => Some($name::$item),)*
                    _ => None,
                }
            }

            /// Its name in documents, reports and on screens.
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$item => $text,)*
                }
            }
        }
    };
}

numbered! {
    /// What is to become of an alias. The numbers are on the wire and in the journal.
    Operation {
        /// A new entry: alias, identity, account, name.
        Register = 1 "register";
        /// Another account, name, or other defaults.
        Update = 2 "update";
        /// Nobody finds it until it is resumed.
        Pause = 3 "pause";
        /// It is found again.
        Resume = 4 "resume";
        /// The entry is gone, and the key that opened it.
        Remove = 5 "remove";
        /// All entries of a person are gone.
        Erase = 6 "erase";
        /// An alias is reported for fraud.
        Report = 7 "report";
        /// A new entry from a file that an ID system has attested as a whole.
        Import = 8 "import";
    }
}

numbered! {
    /// What became of a command, in the order of precedence. The numbers are on the wire and in the store.
    AliasOutcome {
        /// It was done.
        Done = 0 "done";
        /// This command id was used with other content.
        CommandDiffers = 1 "command_differs";
        /// The attestation's time is over.
        AttestationExpired = 10 "attestation_expired";
        /// The attestation was used.
        AttestationReplayed = 11 "attestation_replayed";
        /// There is no such entry of the sender. Whether another has one is not said.
        AliasNotYours = 20 "alias_not_yours";
        /// The token is not that of the entry.
        IdentityDiffers = 21 "identity_differs";
        /// The sender has this entry already.
        AliasTakenHere = 30 "alias_taken_here";
        /// Another participant has it.
        AliasTaken = 31 "alias_taken";
        /// The identity has as many aliases as it may have.
        IdentityFull = 32 "identity_full";
        /// The account has as many aliases as it may have.
        AccountFull = 33 "account_full";
        /// It is paused, or active, already.
        StateUnchanged = 40 "state_unchanged";
        /// The sender has reported this alias within 24 hours.
        ReportRepeated = 41 "report_repeated";
    }
}

numbered! {
    /// What a provider can do about an alias that another has.
    Claim {
        /// There is nothing to claim.
        None = 0 "none";
        /// The alias may have passed to another person.
        Ownership = 1 "ownership";
        /// Its owner stays the same and changes the provider.
        Portability = 2 "portability";
    }
}

numbered! {
    /// What is asked about an alias or an account.
    LookupForm {
        /// Whose account is it?
        Lookup = 1 "lookup";
        /// And does this name belong to it?
        Verification = 2 "verification";
    }
}

numbered! {
    /// Why an end user asks. The numbers are on the wire and in the journal.
    LookupPurpose {
        /// To pay.
        Payment = 1 "payment";
        /// To see whether a name belongs to an account.
        PayeeVerification = 2 "payee_verification";
        /// To pay a person on behalf of the state.
        GovernmentPayment = 3 "government_payment";
        /// To find out about a fraud.
        FraudInvestigation = 4 "fraud_investigation";
    }
}

impl LookupPurpose {
    /// Why an alias is resolved for a payment order of this purpose (an ISO 20022 external purpose code, or zeros).
    pub fn of_order(purpose: [u8; 4]) -> LookupPurpose {
        if purpose == *b"GOVT" { LookupPurpose::GovernmentPayment } else { LookupPurpose::Payment }
    }
}

numbered! {
    /// What a look-up is told.
    LookupResult {
        /// The entry.
        Found = 1 "found";
        /// That there is none.
        NotFound = 2 "not_found";
        /// Nothing: a bucket holds too little.
        Limited = 3 "limited";
    }
}

numbered! {
    /// What a provider asks about itself and its customers.
    QueryForm {
        /// Which of these aliases are its own?
        Existence = 1 "existence";
        /// Who has looked up this alias of its own?
        Lookups = 2 "lookups";
        /// What do the buckets hold?
        Buckets = 3 "buckets";
        /// Which entries has this identity?
        Entries = 4 "entries";
    }
}

numbered! {
    /// Kinds of aliases, by their ISO 20022 proxy codes.
    AliasType {
        /// A mobile number in E.164.
        Mobile = 1 "MBNO";
        /// An e-mail address.
        Email = 2 "EMAL";
        /// A token of a national ID.
        NationalIdToken = 3 "NIDN";
        /// Another token of an ID system.
        IdToken = 4 "TOKN";
        /// A corporate identity number.
        Corporate = 5 "CINC";
        /// A country's identification of a business.
        CountryId = 6 "COID";
        /// A customer number.
        Customer = 7 "CUST";
        /// A wallet.
        Wallet = 8 "EWAL";
        /// A merchant or a till.
        Merchant = 9 "MRCH";
        /// A random key, made by the switch.
        Random = 10 "RAND";
    }
}

numbered! {
    /// Does a name belong to an account?
    NameMatch {
        /// It does.
        Match = 1 "match";
        /// It nearly does; the answer carries the name.
        CloseMatch = 2 "close_match";
        /// It does not.
        NoMatch = 3 "no_match";
        /// That cannot be told.
        NotPossible = 4 "not_possible";
    }
}

numbered! {
    /// How much of a name an answer shows. The numbers are in the scheme's rules.
    MaskRule {
        /// The first letter of each word, and stars: `A**** D****`.
        Initials = 1 "initials";
        /// The first word, and the first letters of the others: `Amina D.`.
        FirstName = 2 "first_name";
        /// All of it.
        Full = 3 "full";
    }
}

impl Default for MaskRule {
    /// As little as lets a payer know whom it pays.
    fn default() -> MaskRule {
        MaskRule::Initials
    }
}
