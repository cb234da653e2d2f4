//! What a query or a posted form says: names and values, in order.

use std::str::FromStr;

use super::Call;
use crate::error::{Error, Result};

/// Forms hold words, not files.
const FORM_LIMIT_BYTES: usize = 256 * 1024;

pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn parse(text: &[u8]) -> Result<Fields> {
        serde_html_form::from_bytes(text).map(Fields).map_err(|_| Error::invalid("form", "it cannot be read"))
    }

    pub fn of_query(call: &Call) -> Result<Fields> {
        Fields::parse(call.query().as_bytes())
    }

    pub async fn of_form(call: &mut Call) -> Result<Fields> {
        Fields::parse(&call.body_bytes(FORM_LIMIT_BYTES).await?)
    }

    /// The first value of this name, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn need(&self, name: &'static str) -> Result<&str> {
        self.get(name).ok_or(Error::Missing(name))
    }

    pub fn number<N: FromStr>(&self, name: &'static str) -> Result<Option<N>> {
        self.get(name).map(|text| text.parse().map_err(|_| Error::invalid(name, "it is a whole number"))).transpose()
    }

    /// The values of this name that are not empty.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.values().filter(|(key, value)| *key == name && !value.is_empty()).map(|(_, v)| v.to_owned()).collect()
    }

    /// Every name with its value.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
