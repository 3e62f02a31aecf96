use pgp::composed::CleartextSignedMessage;
use pgp::packet::Signature;

use crate::SignatureError;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----\n";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";
/// The most signatures that are looked at; Debian's releases have three.
const SIGNATURES_MAX: usize = 32;

/// A document in the cleartext signature framework (RFC 9580, 7), before anything was verified.
pub(crate) struct ClearSigned {
    message: CleartextSignedMessage,
}

impl ClearSigned {
    /// Takes a document apart.
    ///
    /// Text outside of what is signed is refused, since a careless reader would take it for signed:
    /// the document starts with the one frame's first line and ends with its last.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, SignatureError> {
        let text = std::str::from_utf8(document)
            .map_err(|_| SignatureError::Malformed("it is not UTF-8 text"))?;
        check_frame(text)?;
        let (message, _) = CleartextSignedMessage::from_string(text)
            .map_err(|_| SignatureError::Malformed("the signature cannot be read"))?;
        match message.signatures().len() {
            0 => Err(SignatureError::NotSigned),
            1..=SIGNATURES_MAX => Ok(Self { message }),
            _ => Err(SignatureError::Malformed("it has too many signatures")),
        }
    }

    pub(crate) fn signatures(&self) -> &[Signature] {
        self.message.signatures()
    }

    /// Returns exactly the text that signatures are made over: lines end with CR and LF, without
    /// blanks before.
    pub(crate) fn signed_text(&self) -> String {
        self.message.signed_text()
    }
}

fn check_frame(text: &str) -> Result<(), SignatureError> {
    let malformed = |problem| Err(SignatureError::Malformed(problem));
    if text.contains('\r') {
        // Readers differ in what a lone CR is.
        return malformed("it holds carriage returns");
    }
    let starts =
        |line: &'static str| text.lines().filter(move |l| l.trim_ascii_end() == line).count();
    if !text.starts_with(BEGIN) {
        return match starts(BEGIN.trim_ascii_end()) {
            0 => Err(SignatureError::NotSigned),
            _ => malformed("there is text before what is signed"),
        };
    }
    if starts(BEGIN.trim_ascii_end()) != 1 || starts(BEGIN_SIGNATURE) != 1 || starts(END) != 1 {
        return malformed("it is not one signed text with one block of signatures");
    }
    if !text.trim_ascii_end().ends_with(END) {
        return malformed("there is text after the signature");
    }
    Ok(())
}
