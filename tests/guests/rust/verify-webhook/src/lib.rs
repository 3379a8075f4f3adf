//! A connector that takes a webhook whose `x-signature` is the body's HMAC-SHA-256 in hexadecimal.

use sophia_sdk::{
    Connector, Description, Error, Json, WebhookOutcome, WebhookRequest,
    secrets::{self, Algorithm},
};

struct VerifyWebhook;

impl Connector for VerifyWebhook {
    fn describe() -> Description {
        Description { title: "Webhooks", ..Description::default() }
    }

    fn webhook(request: WebhookRequest) -> Result<WebhookOutcome, Error> {
        let mac = request.header("x-signature").and_then(bytes).ok_or_else(|| Error::Denied("no signature".into()))?;
        if !secrets::verify("hook", Algorithm::HmacSha256, &request.body, &mac)? {
            return Err(Error::Denied("another signature".into()));
        }
        let reply = format!("{} {} took {} bytes", request.method, request.url, request.body.len());
        Ok(WebhookOutcome { events: vec![Json::literal("{}")], reply })
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

sophia_sdk::connector!(VerifyWebhook);
