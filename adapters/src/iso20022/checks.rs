//! Checks of values beyond their form: check digits, and countries that exist.

/// A check that a profile asks for of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// ISO 13616.
    Iban,
    /// ISO 9362.
    Bic,
    /// ISO 17442.
    Lei,
    /// ISO 3166-1.
    Country,
}

impl Check {
    /// From its name in a profile.
    pub(super) fn read(name: &str) -> Option<Check> {
        match name {
            "iban" => Some(Check::Iban),
            "bic" => Some(Check::Bic),
            "lei" => Some(Check::Lei),
            "country" => Some(Check::Country),
            _ => None,
        }
    }

    /// What is wrong with a text that has the right form; none where nothing is.
    pub(super) fn fault_of(self, text: &str) -> Option<&'static str> {
        let bytes = text.as_bytes();
        match self {
            Check::Iban if !is_country(&bytes[..2]) => Some("the first two letters of an IBAN must be a country"),
            // ISO 13616-1: the first four characters count last.
            Check::Iban => (remainder_of_97(bytes[4..].iter().chain(&bytes[..4])) != 1)
                .then_some("the check digits of the IBAN do not fit: look for a typing error"),
            Check::Bic => {
                (!is_country(&bytes[4..6])).then_some("the fifth and sixth letter of a BIC must be a country")
            }
            Check::Lei => (remainder_of_97(bytes.iter()) != 1)
                .then_some("the check digits of the LEI do not fit: look for a typing error"),
            Check::Country => (!is_country(bytes)).then_some("it must be a country of ISO 3166-1"),
        }
    }
}

/// Is it an IBAN, form and check digits?
pub(super) fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    (5..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes[4..].iter().all(u8::is_ascii_alphanumeric)
        && Check::Iban.fault_of(text).is_none()
}

/// Is it a BIC, by its form?
pub(super) fn is_bic(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 8 | 11)
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && is_country(&bytes[4..6])
}

/// ISO 7064, mod 97-10: letters count from A = 10 to Z = 35.
fn remainder_of_97<'b>(characters: impl Iterator<Item = &'b u8>) -> u32 {
    characters.fold(0, |remainder, &byte| {
        let value = char::from(byte).to_digit(36).unwrap_or(0);
        if value < 10 { (remainder * 10 + value) % 97 } else { (remainder * 100 + value) % 97 }
    })
}

fn is_country(letters: &[u8]) -> bool {
    COUNTRIES.as_bytes().chunks(2).any(|country| country == letters)
}

/// ISO 3166-1 alpha-2, and XK, which banks use.
const COUNTRIES: &str = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFI\
FJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDME\
MFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSV\
SXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_and_countries() {
        for good in ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606"] {
            assert!(is_iban(good), "{good}");
        }
        for bad in [
            "GB82WEST12345698765433",
            "DE98370400440532013000",
            "ZZ82WEST12345698765432",
            "GB82",
            "gb82WEST12345698765432",
        ] {
            assert!(!is_iban(bad), "{bad}");
        }
        assert_eq!(Check::Lei.fault_of("529900T8BM49AURSDO55"), None);
        assert!(Check::Lei.fault_of("529900T8BM49AURSDO56").is_some());
        assert!(is_bic("DEUTDEFF") && is_bic("DEUTDEFFXXX") && !is_bic("DEUTZZFF") && !is_bic("DEUTDEF"));
        assert_eq!(Check::Country.fault_of("KE"), None);
        assert!(Check::Country.fault_of("XX").is_some());
    }

    #[test]
    fn countries_are_two_letters_each() {
        assert_eq!(COUNTRIES.len() % 2, 0);
        // 249 of the standard, and XK.
        assert_eq!(COUNTRIES.len() / 2, 250);
    }
}
