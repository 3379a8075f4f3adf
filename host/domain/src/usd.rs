//! Money and prices: whole micro-dollars, and what tokens cost in them. No floating point anywhere.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Money in whole micro-dollars, written `$0.001234`. At most [`Usd::MAX`], so that every amount
/// fits a database's signed integer. There are no operators: whoever adds says what happens when
/// it does not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Usd(u64);

/// What a million tokens cost, in micro-dollars; so 150,000 is `$0.15` a million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Micro-dollars for a million tokens.
    pub micro_usd_per_million: u64,
}

/// What a model's tokens cost. One per model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Of a token of the prompt.
    pub input: Price,
    /// Of a token of the prompt that the worker had in its cache.
    pub cached_input: Price,
    /// Of a token that the model produced.
    pub output: Price,
}

/// How many tokens a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Of the prompt, cached ones included.
    pub input: u64,
    /// Those of the prompt that the worker had in its cache; more than `input` counts as `input`.
    pub cached: u64,
    /// That the model produced.
    pub output: u64,
}

/// Why something is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsdError {
    /// Not a number of dollars with up to six decimals.
    #[error("`{0}` is no amount: write dollars with up to six decimals, such as `$1.50`")]
    Unreadable(String),
    /// More than [`Usd::MAX`].
    #[error("the amount is above {}", Usd::MAX)]
    TooLarge,
}

const MICROS_PER_DOLLAR: u64 = 1_000_000;
const DECIMALS: usize = 6;
const TOKENS_PER_PRICE: u128 = 1_000_000;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest amount: what a signed 64-bit integer holds, some nine trillion dollars.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// From micro-dollars; none above [`Usd::MAX`].
    pub const fn from_micros(micros: u64) -> Option<Self> {
        if micros <= Self::MAX.0 { Some(Self(micros)) } else { None }
    }

    /// From whole dollars, every number of which fits.
    pub const fn dollars(dollars: u32) -> Self {
        Self(dollars as u64 * MICROS_PER_DOLLAR)
    }

    /// In micro-dollars.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The sum; none above [`Usd::MAX`].
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Self::from_micros(sum),
            None => None,
        }
    }

    /// The difference; none where `other` is more.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// What is left of it after `other`: nothing where `other` is more.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Price {
    /// What so many tokens cost, rounded up to a whole micro-dollar: most calls cost a few
    /// micro-dollars, and a sum of amounts that were each rounded down would bill markedly less
    /// than the provider does.
    pub fn cost(self, tokens: u64) -> Result<Usd, UsdError> {
        rounded_up(self.share(tokens))
    }

    /// Millionths of a micro-dollar. A product of two 64-bit numbers always fits.
    fn share(self, tokens: u64) -> u128 {
        u128::from(self.micro_usd_per_million) * u128::from(tokens)
    }
}

impl Prices {
    /// What a call costs, rounded up once, so that it is less than a micro-dollar above the exact
    /// amount and never below it.
    pub fn cost(&self, tokens: Tokens) -> Result<Usd, UsdError> {
        let cached = tokens.cached.min(tokens.input);
        let parts = [
            self.input.share(tokens.input - cached),
            self.cached_input.share(cached),
            self.output.share(tokens.output),
        ];
        let sum = parts.into_iter().try_fold(0_u128, u128::checked_add).ok_or(UsdError::TooLarge)?;
        rounded_up(sum)
    }

    /// The most that a call can cost with that many tokens of each kind, whatever is cached: what
    /// a hold takes. (Some providers bill what goes through their cache above the plain price.)
    pub fn upper_bound(&self, input: u64, output: u64) -> Result<Usd, UsdError> {
        let nothing_cached = self.cost(Tokens { input, cached: 0, output })?;
        let all_cached = self.cost(Tokens { input, cached: input, output })?;
        Ok(nothing_cached.max(all_cached))
    }
}

fn rounded_up(millionths: u128) -> Result<Usd, UsdError> {
    let micros = u64::try_from(millionths.div_ceil(TOKENS_PER_PRICE)).map_err(|_| UsdError::TooLarge)?;
    Usd::from_micros(micros).ok_or(UsdError::TooLarge)
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:06}", self.0 / MICROS_PER_DOLLAR, self.0 % MICROS_PER_DOLLAR)
    }
}

impl FromStr for Usd {
    type Err = UsdError;

    fn from_str(text: &str) -> Result<Self, UsdError> {
        let unreadable = || UsdError::Unreadable(text.chars().filter(|c| !c.is_control()).take(32).collect());
        let number = text.strip_prefix('$').unwrap_or(text);
        let (dollars, decimals) = match number.split_once('.') {
            Some((_, "")) => return Err(unreadable()),
            Some(parts) => parts,
            None => (number, ""),
        };
        let is_digits = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        if dollars.is_empty() || decimals.len() > DECIMALS || !is_digits(dollars) || !is_digits(decimals) {
            return Err(unreadable());
        }
        // Digits only, so that all that can fail from here is the size.
        let micros = format!("{dollars}{decimals:0<DECIMALS$}").parse().map_err(|_| UsdError::TooLarge)?;
        Self::from_micros(micros).ok_or(UsdError::TooLarge)
    }
}

impl TryFrom<u64> for Usd {
    type Error = UsdError;

    fn try_from(micros: u64) -> Result<Self, UsdError> {
        Self::from_micros(micros).ok_or(UsdError::TooLarge)
    }
}

impl From<Usd> for u64 {
    fn from(usd: Usd) -> Self {
        usd.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price { micro_usd_per_million: text.parse::<Usd>().unwrap().micros() }
    }

    #[test]
    fn reads_and_writes_amounts() {
        for (text, micros, shown) in [
            ("$1.50", 1_500_000, "$1.500000"),
            ("1.5", 1_500_000, "$1.500000"),
            ("0.001234", 1_234, "$0.001234"),
            ("$12", 12_000_000, "$12.000000"),
            ("0", 0, "$0.000000"),
            ("9223372036854.775807", Usd::MAX.micros(), "$9223372036854.775807"),
        ] {
            let usd: Usd = text.parse().unwrap();
            assert_eq!((usd.micros(), usd.to_string().as_str()), (micros, shown));
            assert_eq!(shown.parse(), Ok(usd));
        }
        for text in ["", "$", ".", "1.", ".5", "-1", "+1", "1e3", "1,000", " 1", "$$1", "0.0000001", "1.2.3", "٣"] {
            assert!(matches!(text.parse::<Usd>(), Err(UsdError::Unreadable(_))), "{text}");
        }
        for text in ["9223372036854.775808", "99999999999999999999"] {
            assert_eq!(text.parse::<Usd>(), Err(UsdError::TooLarge));
        }
    }

    #[test]
    fn is_an_integer_in_json_and_refuses_what_no_row_could_hold() {
        assert_eq!(serde_json::to_string(&Usd(1_234)).unwrap(), "1234");
        assert_eq!(serde_json::from_str::<Usd>("1234").unwrap(), Usd(1_234));
        for text in ["-1", "1.5", "\"1\"", "9223372036854775808"] {
            assert!(serde_json::from_str::<Usd>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn adds_and_subtracts_within_its_bounds() {
        assert_eq!(Usd(1).checked_add(Usd(2)), Some(Usd(3)));
        assert_eq!(Usd::MAX.checked_add(Usd(1)), None);
        assert_eq!(Usd(1).checked_sub(Usd(2)), None);
        assert_eq!(Usd(1).saturating_sub(Usd(2)), Usd::ZERO);
    }

    #[test]
    fn rounds_each_call_up_once() {
        let prices = Prices { input: price("0.15"), cached_input: price("0.075"), output: price("0.60") };
        let cost = |input, cached, output| prices.cost(Tokens { input, cached, output }).unwrap().micros();
        // 100 × 0.15 + 50 × 0.6 = 45 exactly; one token more of either costs a whole micro-dollar more.
        assert_eq!(cost(100, 0, 50), 45);
        assert_eq!(cost(101, 0, 50), 46);
        assert_eq!(cost(1, 0, 1), 1, "0.15 + 0.6, rounded together");
        assert_eq!(cost(100, 40, 0), 12);
        assert_eq!(cost(100, 4_000, 0), 8, "more cached than sent counts as all cached");
        assert_eq!(cost(0, 0, 0), 0);
        assert_eq!(Prices::default().cost(Tokens { input: u64::MAX, cached: 0, output: u64::MAX }), Ok(Usd::ZERO));
    }

    #[test]
    fn an_amount_that_does_not_fit_is_an_error() {
        let most = Price { micro_usd_per_million: u64::MAX };
        assert_eq!(most.cost(u64::MAX), Err(UsdError::TooLarge));
        let prices = Prices { input: most, cached_input: most, output: most };
        let tokens = Tokens { input: u64::MAX, cached: 1, output: u64::MAX };
        assert_eq!(prices.cost(tokens), Err(UsdError::TooLarge));
    }

    #[test]
    fn the_upper_bound_holds_whatever_is_cached() {
        let dear_cache = Prices { input: price("1"), cached_input: price("1.25"), output: price("5") };
        let cheap_cache = Prices { cached_input: price("0.1"), ..dear_cache };
        for prices in [dear_cache, cheap_cache] {
            let bound = prices.upper_bound(1_000, 10).unwrap();
            for cached in [0, 1, 500, 999, 1_000] {
                assert!(prices.cost(Tokens { input: 1_000, cached, output: 10 }).unwrap() <= bound);
            }
        }
    }
}
