//! What a call was asked: the parameters of the address and of a posted form, in one ordered list.

use percent_encoding::percent_decode;

use crate::error::{Error, Result};

/// The parameters of one call, those of the query before those of the body. Holds passwords and keys, so it has no
/// `Debug`.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string and an `application/x-www-form-urlencoded` body, either of which may be empty. Stray `%`
    /// and `&` are taken as they stand; bytes that are not UTF-8, and NUL, which no text column holds, are refused. What
    /// else was said comes along with the refusal, since it names the form of the answer.
    pub fn read(query: &str, form: &[u8]) -> (Params, Result<()>) {
        let mut params = Vec::new();
        let mut read = Ok(());
        for (source, what) in [(query.as_bytes(), "query"), (form, "body")] {
            for pair in source.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
                let cut = pair.iter().position(|&byte| byte == b'=');
                let (name, value) = cut.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
                match (decode(name), decode(value)) {
                    (Some(name), Some(value)) => params.push((name, value)),
                    (None, _) => read = Err(Error::invalid(what, "a parameter's name is not UTF-8")),
                    (Some(name), None) => {
                        read = Err(Error::invalid(what, format!("the value of '{name:.40}' is not UTF-8 text")));
                    }
                }
            }
        }
        (Params(params), read)
    }

    /// The first value, which may be empty: an empty description clears, an absent one leaves alone.
    pub fn get(&self, name: &'static str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first value; absent or empty is [`Error::Missing`].
    pub fn need(&self, name: &'static str) -> Result<&str> {
        self.get(name).filter(|value| !value.is_empty()).ok_or(Error::Missing(name))
    }

    /// All values in order, without empty ones. Commas are part of a value: lists are sent by repeating the name.
    pub fn all(&self, name: &'static str) -> Vec<&str> {
        self.0.iter().filter(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str()).collect()
    }

    /// All values in order, at least one, else [`Error::Missing`].
    pub fn need_all(&self, name: &'static str) -> Result<Vec<&str>> {
        let all = self.all(name);
        if all.is_empty() { Err(Error::Missing(name)) } else { Ok(all) }
    }

    /// `true`, `on` and `1` in any case are true, all else is false; absent is `None`.
    pub fn bool_of(&self, name: &'static str) -> Option<bool> {
        self.get(name).map(|value| ["true", "on", "1"].iter().any(|yes| value.trim().eq_ignore_ascii_case(yes)))
    }

    /// A whole number; absent or empty is `None`.
    pub fn int(&self, name: &'static str) -> Result<Option<i64>> {
        self.get(name).filter(|value| !value.is_empty()).map(|value| whole(name, value)).transpose()
    }

    /// All values as whole numbers, in order.
    pub fn ints(&self, name: &'static str) -> Result<Vec<i64>> {
        self.all(name).into_iter().map(|value| whole(name, value)).collect()
    }

    /// A time in milliseconds since 1970, or another number that cannot be negative; absent or empty is `None`.
    pub fn ms(&self, name: &'static str) -> Result<Option<i64>> {
        match self.int(name)? {
            Some(below) if below < 0 => Err(Error::invalid(name, "it cannot be negative")),
            number => Ok(number),
        }
    }

    /// How many of something: 0 means none, too many means `max`, as clients send 999999999 for "all".
    pub fn count(&self, name: &'static str, default: u64, max: u64) -> Result<u64> {
        Ok(self.ms(name)?.map_or(default, i64::unsigned_abs).min(max))
    }

    /// How many to skip, 0 unless given.
    pub fn offset(&self, name: &'static str) -> Result<u64> {
        Ok(self.ms(name)?.map_or(0, i64::unsigned_abs))
    }
}

fn decode(raw: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = raw.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    let text = percent_decode(&spaced).decode_utf8().ok()?.into_owned();
    (!text.contains('\0')).then_some(text)
}

/// knuckles sends times as floats (`1700000000000.0`), so a fraction is cut off.
fn whole(name: &'static str, value: &str) -> Result<i64> {
    let value = value.trim();
    if let Ok(number) = value.parse::<i64>() {
        return Ok(number);
    }
    let number = value.parse::<f64>().map_err(|_| Error::invalid(name, "it is not a number"))?;
    // 2^63 is the first float beyond an i64; NaN fails the comparison.
    if number.abs() < 9_223_372_036_854_775_808.0 {
        Ok(number as i64)
    } else {
        Err(Error::invalid(name, "the number is too large"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::read(query, b"").0
    }

    fn refused<T>(result: Result<T>) -> String {
        result.err().expect("must be refused").to_string()
    }

    #[test]
    fn query_and_form_are_one_list_with_the_query_first() {
        let params = Params::read("id=1&id=2,3&&c=a+b%20c&flag", b"id=4&id=&u=J%C3%BCrgen").0;
        assert_eq!(params.all("id"), ["1", "2,3", "4"]);
        assert_eq!(params.get("c"), Some("a b c"));
        assert_eq!(params.get("flag"), Some(""));
        assert_eq!(params.get("u"), Some("Jürgen"));
        assert_eq!(params.get("x"), None);
        assert_eq!(params.need("id").unwrap(), "1");
    }

    #[test]
    fn a_value_keeps_its_equals_signs_and_stray_percents() {
        assert_eq!(params("q=a=b%zz%").get("q"), Some("a=b%zz%"));
    }

    #[test]
    fn text_that_no_column_can_hold_is_refused() {
        assert_eq!(
            refused(Params::read("id=%ff", b"").1),
            "Parameter 'query' is not valid: the value of 'id' is not UTF-8 text"
        );
        assert_eq!(Params::read("id=%ff&f=json", b"").0.get("f"), Some("json"), "the refusal has a form");
        assert!(Params::read("", b"id=a%00b").1.is_err());
        assert!(Params::read("%ff=1", b"").1.is_err());
        assert!(Params::read("", b"id=\xff").1.is_err());
    }

    #[test]
    fn missing_and_empty_are_the_same_to_whoever_needs_it() {
        assert_eq!(refused(params("id=").need("id")), "Required parameter 'id' is missing");
        assert_eq!(refused(params("").need("id")), "Required parameter 'id' is missing");
        assert_eq!(refused(params("id=&id=").need_all("id")), "Required parameter 'id' is missing");
    }

    #[test]
    fn booleans_are_true_in_three_spellings() {
        for (value, meant) in [("true", true), ("TRUE", true), ("On", true), ("1", true), ("0", false), ("yes", false)]
        {
            assert_eq!(params(&format!("b={value}")).bool_of("b"), Some(meant), "{value}");
        }
        assert_eq!(params("").bool_of("b"), None);
    }

    #[test]
    fn numbers_come_as_floats_too_but_not_as_words_or_beyond_64_bits() {
        for (value, meant) in [("1700000000000", 1_700_000_000_000), ("1700000000000.0", 1_700_000_000_000), ("-3", -3)]
        {
            assert_eq!(params(&format!("n={value}")).int("n").unwrap(), Some(meant), "{value}");
        }
        assert_eq!(params("n=").int("n").unwrap(), None);
        assert_eq!(params("n=1&n=2.0").ints("n").unwrap(), [1, 2]);
        for value in ["ten", "1e400", "9223372036854775808", "NaN", "inf", "0x10", "1 2"] {
            assert!(params(&format!("n={}", value.replace(' ', "+"))).int("n").is_err(), "{value}");
        }
    }

    #[test]
    fn counts_are_clamped_and_never_negative() {
        assert_eq!(params("size=999999999").count("size", 10, 500).unwrap(), 500);
        assert_eq!(params("size=0").count("size", 10, 500).unwrap(), 0);
        assert_eq!(params("").count("size", 10, 500).unwrap(), 10);
        assert_eq!(
            refused(params("size=-1").count("size", 10, 500)),
            "Parameter 'size' is not valid: it cannot be negative"
        );
        assert_eq!(params("offset=40").offset("offset").unwrap(), 40);
        assert!(params("offset=-1").offset("offset").is_err());
        assert!(params("expires=-1").ms("expires").is_err());
    }
}
