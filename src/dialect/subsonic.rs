//! The OpenSubsonic dialect: what music apps speak.
//!
//! Reference: <https://opensubsonic.netlify.app/docs/>; the XML of the older protocol follows the schema of version
//! 1.16.1 at <http://www.subsonic.org/pages/api.jsp>.

pub mod answers;
pub mod envelope;
pub mod params;
pub mod xml;
