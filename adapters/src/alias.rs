//! Aliases: names for accounts that are not accounts. What a provider writes becomes a canonical form here, once, so that one alias has one hash.
//!
//! The forms are a table in `docs/directory-rules.md`. Never here: whose an alias is.

use crate::directory::AliasType;
use crate::limits::ALIAS_BYTES_MAX;

/// An alias in canonical form: only `parse` and `random_key` make one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Alias {
    kind: AliasType,
    text: String,
}

/// Aliases stay out of logs.
impl std::fmt::Debug for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Alias({})", self.kind.name())
    }
}

/// Why a text is no alias of its type. What it says shows nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasFault {
    /// Of a mobile number.
    NoPlus,
    /// Of a mobile number: it begins with the prefix of a call abroad.
    PrefixedZeros,
    /// Of a mobile number.
    NotDigits,
    /// Of a mobile number: it has the zero that is dialled within the country.
    TrunkZero,
    /// Of a mobile number.
    LengthOfNumber,
    /// Of a mobile number.
    CountryCode,
    /// Of an e-mail address.
    NoAt,
    /// Of an e-mail address.
    LocalPart,
    /// Of an e-mail address.
    Domain,
    /// Of an e-mail address.
    TooLong,
    /// Of a token: its length or its letters.
    Token,
    /// Of a token: it could be an ID number itself.
    RawIdNumber,
    /// Of a business id, a customer number, a wallet or a merchant.
    Identifier,
    /// Of a business id of a country.
    Country,
    /// Of a random key.
    Key,
}

impl std::fmt::Display for AliasFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AliasFault::NoPlus => "a mobile number begins with + and the country's code (E.164)",
            AliasFault::PrefixedZeros => "a mobile number begins with + instead of 00",
            AliasFault::NotDigits => "a mobile number has digits; spaces, hyphens, dots and brackets are left out",
            AliasFault::TrunkZero => "a mobile number is written without the (0) that is dialled within the country",
            AliasFault::LengthOfNumber => "a mobile number has 7 to 15 digits, country code included",
            AliasFault::CountryCode => "the mobile number begins with no country code of E.164",
            AliasFault::NoAt => "an e-mail address has one @ between its two parts",
            AliasFault::LocalPart => {
                "the part before the @ has 1 to 64 letters, digits or signs, and no dot at an end or beside another"
            }
            AliasFault::Domain => "the part behind the @ is a domain with at least one dot, as IDNA has it",
            AliasFault::TooLong => "an e-mail address has at most 254 bytes",
            AliasFault::Token => "a token has 16 to 64 of A-Z a-z 0-9 - _",
            AliasFault::RawIdNumber => "this could be an ID number itself: send the token that the ID system has made",
            AliasFault::Identifier => "the id has letters and digits, no more and no fewer than its type has",
            AliasFault::Country => "the id begins with the two letters of a country, then letters and digits",
            AliasFault::Key => "a random key is a version-4 UUID, as the switch has made it",
        })
    }
}

impl std::error::Error for AliasFault {}

impl Alias {
    /// The alias that a text of this type means.
    pub fn parse(kind: AliasType, text: &str) -> Result<Alias, AliasFault> {
        let text = text.trim();
        let text = match kind {
            AliasType::Mobile => mobile(text)?,
            AliasType::Email => email(text)?,
            AliasType::NationalIdToken | AliasType::IdToken => token(text).map(str::to_owned)?,
            AliasType::Corporate => identifier(text, 4..=35, b"-.")?,
            AliasType::CountryId => country_id(text)?,
            AliasType::Customer | AliasType::Wallet => identifier(text, 4..=35, b"-_.")?,
            AliasType::Merchant => identifier(text, 4..=20, b"")?,
            AliasType::Random => {
                let key = uuid::Uuid::try_parse(text)
                    .ok()
                    .filter(|key| key.get_version_num() == 4 && key.get_variant() == uuid::Variant::RFC4122);
                key.ok_or(AliasFault::Key)?.hyphenated().to_string()
            }
        };
        debug_assert!(text.len() <= ALIAS_BYTES_MAX);
        Ok(Alias { kind, text })
    }

    /// A random key of these random bytes.
    pub fn random_key(bytes: [u8; 16]) -> Alias {
        let key = uuid::Builder::from_random_bytes(bytes).into_uuid();
        Alias { kind: AliasType::Random, text: key.hyphenated().to_string() }
    }

    /// Which kind it is.
    pub fn kind(&self) -> AliasType {
        self.kind
    }

    /// Its canonical form.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A token of an ID system: opaque, and nothing that could be an ID number itself.
pub fn token(text: &str) -> Result<&str, AliasFault> {
    if !is_random_word(text) {
        return Err(AliasFault::Token);
    }
    if looks_like_an_id_number(text) { Err(AliasFault::RawIdNumber) } else { Ok(text) }
}

/// 16 to 64 letters, digits, `-` and `_`: the form of tokens and of nonces.
pub(crate) fn is_random_word(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (16..=64).contains(&text.len()) && text.bytes().all(is_sign)
}

/// ID numbers are digits, with a few letters before or behind them (a country, a check letter) and signs between groups. A token of random letters and digits
/// changes between them often.
fn looks_like_an_id_number(text: &str) -> bool {
    let signs: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let letters = signs.iter().filter(|sign| sign.is_ascii_alphabetic()).count();
    let changes = signs.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    let has_digits = letters < signs.len();
    has_digits && letters <= 4 && changes <= 2 || signs.is_empty()
}

/// E.164, also where it was written `+CC-NNNN` (ISO 20022 PhoneNumber).
fn mobile(text: &str) -> Result<String, AliasFault> {
    let Some(number) = text.strip_prefix('+') else {
        return Err(if text.starts_with("00") { AliasFault::PrefixedZeros } else { AliasFault::NoPlus });
    };
    if number.contains("(0)") {
        return Err(AliasFault::TrunkZero);
    }
    let mut canonical = String::with_capacity(16);
    canonical.push('+');
    for sign in number.chars() {
        match sign {
            '0'..='9' => canonical.push(sign),
            ' ' | '-' | '.' | '(' | ')' => {}
            _ => return Err(AliasFault::NotDigits),
        }
        if canonical.len() > 16 {
            return Err(AliasFault::LengthOfNumber);
        }
    }
    if canonical.len() < 8 {
        return Err(AliasFault::LengthOfNumber);
    }
    if has_country_code(&canonical.as_bytes()[1..]) { Ok(canonical) } else { Err(AliasFault::CountryCode) }
}

/// Country codes of one and of two digits (ITU-T E.164, list of assigned codes); of those of three digits the first two are here, and which third digits are not assigned.
fn has_country_code(digits: &[u8]) -> bool {
    let digit = |place: usize| digits[place] - b'0';
    let two = digit(0) * 10 + digit(1);
    match two {
        10..=19 | 70..=79 => true,
        20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98 => true,
        21 => matches!(digit(2), 1 | 2 | 3 | 6 | 8),
        22..=24 | 26 | 35 | 37 | 50 | 59 => true,
        25 => digit(2) != 9,
        29 => matches!(digit(2), 0 | 1 | 7 | 8 | 9),
        42 => matches!(digit(2), 0 | 1 | 3),
        38 => matches!(digit(2), 0 | 1 | 2 | 3 | 5 | 6 | 7 | 9),
        67 => matches!(digit(2), 0 | 2..=9),
        68 => digit(2) != 4,
        69 => digit(2) <= 2,
        85 => matches!(digit(2), 0 | 2 | 3 | 5 | 6),
        87 => digit(2) == 0,
        88 => matches!(digit(2), 0..=3 | 6),
        96 => digit(2) != 9,
        97 => digit(2) <= 7,
        99 => matches!(digit(2), 2 | 3 | 4 | 5 | 6 | 8),
        _ => false,
    }
}

/// The domain by IDNA, everything in lower case: no mail system of today tells letters of the local part by their case.
fn email(text: &str) -> Result<String, AliasFault> {
    let (local, domain) = text.rsplit_once('@').ok_or(AliasFault::NoAt)?;
    if local.contains('@') {
        return Err(AliasFault::NoAt);
    }
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(sign);
    let has_stray_dot = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if local.is_empty() || local.len() > 64 || has_stray_dot || !local.chars().all(is_sign) {
        return Err(AliasFault::LocalPart);
    }
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| AliasFault::Domain)?;
    let last = domain.rsplit_once('.').map(|(_, last)| last).ok_or(AliasFault::Domain)?;
    if last.is_empty() || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AliasFault::Domain);
    }
    let canonical = format!("{}@{domain}", local.to_ascii_lowercase());
    if canonical.len() > ALIAS_BYTES_MAX { Err(AliasFault::TooLong) } else { Ok(canonical) }
}

/// Upper-case letters, digits and these signs, with a letter or a digit at both ends.
fn identifier(text: &str, lengths: std::ops::RangeInclusive<usize>, signs: &[u8]) -> Result<String, AliasFault> {
    let text = text.to_ascii_uppercase();
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || signs.contains(&byte);
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let is_right = lengths.contains(&bytes.len()) && bytes.iter().all(|&byte| is_allowed(byte));
    if is_right && is_end(bytes.first()) && is_end(bytes.last()) { Ok(text) } else { Err(AliasFault::Identifier) }
}

fn country_id(text: &str) -> Result<String, AliasFault> {
    let text = identifier(text, 4..=35, b"")?;
    let is_country = COUNTRIES.chunks_exact(2).any(|country| text.as_bytes().starts_with(country));
    if is_country { Ok(text) } else { Err(AliasFault::Country) }
}

/// Countries in two letters (ISO 3166-1), and XK, which is assigned by its users and stands in BICs and IBANs.
const COUNTRIES: &[u8] = b"\
    ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZ\
    DEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJP\
    KEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOM\
    PAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZ\
    UAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

#[cfg(test)]
mod tests {
    use super::*;
    use AliasType as T;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_becomes_one_form() {
        let token = "f3A9-kQ0_zzT81bbR7x";
        for (kind, written, canonical) in [
            (T::Mobile, "+254 712 345 678", "+254712345678"),
            (T::Mobile, "+254-712345678", "+254712345678"),
            (T::Mobile, " +44 (20)7946.0958 ", "+442079460958"),
            (T::Mobile, "+1 202 555 0143", "+12025550143"),
            (T::Email, "Amina.Diallo@Example.ORG", "amina.diallo@example.org"),
            (T::Email, "info@b\u{fc}cher.example", "info@xn--bcher-kva.example"),
            (T::Email, "info@B\u{dc}CHER.example", "info@xn--bcher-kva.example"),
            (T::Email, "a+b@x.co", "a+b@x.co"),
            (T::IdToken, token, token),
            (T::NationalIdToken, token, token),
            (T::Corporate, "abc-12.34", "ABC-12.34"),
            (T::CountryId, "ke0001234", "KE0001234"),
            (T::Customer, "c_0001.a", "C_0001.A"),
            (T::Wallet, "mpesa-77", "MPESA-77"),
            (T::Merchant, "174379", "174379"),
            (T::Random, "5F0C7E2E-9A42-4C7A-8B1E-0123456789AB", "5f0c7e2e-9a42-4c7a-8b1e-0123456789ab"),
        ] {
            assert_eq!(Alias::parse(kind, written).map(|alias| alias.text), Ok(canonical.to_owned()), "{written}");
        }
    }

    #[test]
    fn what_is_none_is_refused_by_name() {
        use AliasFault as F;
        let long = format!("{}@{}.org", "a".repeat(64), "b.".repeat(95) + "c");
        for (kind, written, fault) in [
            (T::Mobile, "0712345678", F::NoPlus),
            (T::Mobile, "00254712345678", F::PrefixedZeros),
            (T::Mobile, "+254 712 34x", F::NotDigits),
            (T::Mobile, "+44 (0)20 7946 0958", F::TrunkZero),
            (T::Mobile, "+25471", F::LengthOfNumber),
            (T::Mobile, "+2547123456789012", F::LengthOfNumber),
            (T::Mobile, "+0712345678", F::CountryCode),
            (T::Mobile, "+2141234567", F::CountryCode),
            (T::Mobile, "+999123456", F::CountryCode),
            (T::Mobile, "", F::NoPlus),
            (T::Email, "amina", F::NoAt),
            (T::Email, "a@b@c.org", F::NoAt),
            (T::Email, "@c.org", F::LocalPart),
            (T::Email, ".a@c.org", F::LocalPart),
            (T::Email, "a..b@c.org", F::LocalPart),
            (T::Email, "a b@c.org", F::LocalPart),
            (T::Email, "a@localhost", F::Domain),
            (T::Email, "a@10.0.0.1", F::Domain),
            (T::Email, "a@-x.org", F::Domain),
            (T::Email, "a@", F::Domain),
            (T::Email, &long, F::TooLong),
            (T::IdToken, "short", F::Token),
            (T::IdToken, "with space with space", F::Token),
            (T::NationalIdToken, "1234567890123456", F::RawIdNumber),
            (T::NationalIdToken, "AB-1234567890123-C", F::RawIdNumber),
            (T::IdToken, "----------------", F::RawIdNumber),
            (T::Corporate, "abc", F::Identifier),
            (T::Corporate, "-abcd", F::Identifier),
            (T::CountryId, "12345678", F::Country),
            (T::CountryId, "XX0001234", F::Country),
            (T::Merchant, "17-4379", F::Identifier),
            (T::Random, "5f0c7e2e-9a42-1c7a-8b1e-0123456789ab", F::Key),
        ] {
            assert_eq!(Alias::parse(kind, written).map(|alias| alias.text), Err(fault), "{written}");
        }
    }

    #[test]
    fn countries_stand_in_order() {
        let countries: Vec<&[u8]> = COUNTRIES.chunks(2).collect();
        assert_eq!(countries.len(), 249 + 1, "ISO 3166-1 has 249");
        assert!(countries.is_sorted_by(|one, other| one < other));
    }

    proptest! {
        #[test]
        fn a_canonical_form_is_its_own(number in 1usize..=10, text in "\\PC{0,300}") {
            let kind = AliasType::ALL[number - 1];
            if let Ok(alias) = Alias::parse(kind, &text) {
                prop_assert!(alias.as_str().len() <= ALIAS_BYTES_MAX && alias.as_str().is_ascii());
                prop_assert_eq!(Alias::parse(kind, alias.as_str()), Ok(alias.clone()));
                let shown = format!("{alias:?}");
                prop_assert!(!shown.contains(alias.as_str()), "aliases stay out of logs");
            }
        }

        #[test]
        fn numbers_are_one_however_they_are_written(digits in "254[0-9]{6,9}", gaps in proptest::collection::vec(0usize..5, 12)) {
            let signs = ["", " ", "-", ".", "("];
            let written: String =
                digits.chars().zip(gaps).flat_map(|(digit, gap)| [digit.to_string(), signs[gap].to_owned()]).collect();
            let alias = Alias::parse(AliasType::Mobile, &format!("+{written}"));
            prop_assert_eq!(alias.map(|alias| alias.text), Ok(format!("+{digits}")));
        }

        #[test]
        fn a_random_key_is_one(bytes: [u8; 16]) {
            let key = Alias::random_key(bytes);
            prop_assert_eq!(Alias::parse(AliasType::Random, key.as_str()), Ok(key.clone()));
        }
    }
}
