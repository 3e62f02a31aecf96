use crate::{GrammarError, PackageName};

/// Why no set of packages meets a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No package has a requested or excluded name.
    #[error("there is no package {name}")]
    UnknownPackage {
        /// The name.
        name: PackageName,
        /// The names that are nearest.
        nearest: Vec<String>,
    },
    /// A requested name is only provided by others.
    #[error("{name} is no package, but provided by {}", providers.join(", "))]
    VirtualPackage {
        /// The name.
        name: PackageName,
        /// Those who provide it.
        providers: Vec<String>,
    },
    /// Pins, or the lack of one, leave no version of a package.
    #[error("{}", not_eligible(name, pin.as_deref(), offers))]
    NotEligible {
        /// The package.
        name: PackageName,
        /// The pin.
        pin: Option<String>,
        /// The versions that there are, and where.
        offers: Vec<String>,
    },
    /// A package is requested and excluded.
    #[error("{name} is both requested and excluded")]
    RequestedAndExcluded {
        /// The package.
        name: PackageName,
    },
    /// No set of packages fits.
    #[error("{requested} cannot be installed:{}", steps(chain))]
    Unsatisfiable {
        /// The requested package with which it begins.
        requested: PackageName,
        /// What leads from it to what stands in the way, one step each.
        chain: Vec<String>,
    },
    /// The search was given up.
    #[error("no set of packages that fit was found in {tries} tries")]
    GaveUp {
        /// How many sets were tried.
        tries: usize,
    },
    /// A package's relations are malformed.
    #[error("the relations of {package} are malformed")]
    Malformed {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: GrammarError,
    },
}

fn not_eligible(name: &PackageName, pin: Option<&str>, offers: &[String]) -> String {
    let why = match pin {
        Some(pin) => format!("no version of {name} matches its pin ({pin})"),
        None => format!("{name} is in suites only that need a pin"),
    };
    format!("{why}; there are {}", offers.join(", "))
}

/// One line a step.
fn steps(chain: &[String]) -> String {
    chain.iter().flat_map(|step| ["\n  ", step]).collect()
}

impl ResolveError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownPackage { nearest, .. } if nearest.is_empty() => None,
            Self::UnknownPackage { nearest, .. } => {
                Some(format!("did you mean {}?", nearest.join(" or ")))
            }
            Self::VirtualPackage { providers, .. } => {
                providers.first().map(|first| format!("name one of them, such as {first}"))
            }
            Self::NotEligible { name, pin: Some(_), .. } => {
                Some(format!("change [pin.{name}] in the recipe"))
            }
            Self::NotEligible { name, pin: None, .. } => {
                Some(format!("pin it: [pin.{name}] with the suite or repository"))
            }
            Self::RequestedAndExcluded { name } => {
                Some(format!("remove {name} from one of the two lists"))
            }
            Self::Unsatisfiable { .. } => Some(
                "leave out one of these packages, exclude what the image can do without, or add \
                 the suite or component that has what is missing"
                    .into(),
            ),
            Self::GaveUp { .. } => {
                Some("name the alternatives that you want among the packages".into())
            }
            Self::Malformed { .. } => None,
        }
    }
}
