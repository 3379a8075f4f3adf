use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use wasmtime::Result;

use crate::{HostCall, bindings::sophia::plugin::random::Host, fault::Stop, guest::Guest};

/// As `wit/random.wit` says.
const MAX_BYTES: u32 = 65_536;

impl Host for Guest {
    fn bytes(&mut self, count: u32) -> Result<Vec<u8>> {
        self.host_call()?;
        if count > MAX_BYTES {
            return Err(Stop::Contract(format!("asked for {count} random bytes, at most {MAX_BYTES}")).into());
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
        SystemRandom::new().fill(&mut bytes).map_err(|_| wasmtime::Error::msg("the system gave no random bytes"))?;
        self.note(HostCall::Random, || json!(STANDARD.encode(&bytes)));
        Ok(bytes)
    }
}
