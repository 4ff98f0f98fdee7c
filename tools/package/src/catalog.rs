//! Security catalogs (`.cat`) for driver packages, as Inf2Cat makes them on Windows.
//!
//! A catalog is a certificate trust list (Microsoft Learn, "CTL_INFO structure"; its ASN.1 is that of `szOID_CTL`) in a
//! PKCS #7 message. It names each file of a package by its digests; a machine that trusts the signature of the catalog
//! trusts the files. The message made here has no signature yet: osslsigncode, or SignTool, adds it.
//!
//! Microsoft documents neither the attributes of a member nor their values. They are made here as they are in two
//! published catalogs for Windows 10, both signed by Microsoft: that of Wintun 0.14 for ARM64 (resource `WINTUN.CAT` of
//! `wintun.dll`) and that of ViGEmBus 1.17 for x64 (in `ViGEmBusSetup_x64.msi`). Both have, and so do ours:
//!
//! - members by SHA-256 (`CATALOG_LIST_MEMBER_V2`) and by SHA-1 as well, in the order of their digests;
//! - of each member its kind, `File` (its name in lower case), `OSAttr` (`2:10.0`), and with SHA-256 the digest as in an
//!   Authenticode signature, of the image for a PE file and of the whole file for any other;
//! - of the list, the name `OS`: the versions of Windows that it is for.
//!
//! They also name the hardware, which a primitive driver has none of, and what Microsoft's submission added.
//!
//! ```
//! let mut catalog = irqlog_package::catalog::Catalog::new("_v100_X64_Vb");
//! catalog.add_file("irqlog.inf", b"[Version]");
//! let unsigned = catalog.to_der(1_767_225_600)?;
//! # assert!(!unsigned.is_empty());
//! # Ok::<(), irqlog_package::catalog::CatalogError>(())
//! ```

use std::{collections::BTreeMap, time::Duration};

use authenticode::{DigestInfo, PeTrait, SpcAttributeTypeAndOptionalValue, SpcIndirectDataContent};
use cms::{
    cert::x509::{attr::Attribute, ext::Extension},
    content_info::{CmsVersion, ContentInfo},
    signed_data::{EncapsulatedContentInfo, SignedData, SignerInfos},
};
use der::{
    Any, Decode, Encode, Sequence, Tag, TagNumber,
    asn1::{BmpString, Null, ObjectIdentifier, OctetString, SetOfVec, UtcTime},
};
use object::read::pe::PeFile64;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;

/// Object identifiers of Microsoft's (wincrypt.h, mscat.h, wintrust.h).
mod oid {
    use der::asn1::ObjectIdentifier;

    /// `szOID_CTL`
    pub const CTL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.1");
    /// `szOID_CATALOG_LIST`
    pub const CATALOG_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.1.1");
    /// `szOID_CATALOG_LIST_MEMBER2`
    pub const CATALOG_LIST_MEMBER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.1.3");
    /// `CAT_NAMEVALUE_OBJID`
    pub const NAME_VALUE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.2.1");
    /// `CAT_MEMBERINFO2_OBJID`
    pub const MEMBER_INFO_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.12.2.3");
    /// `SPC_INDIRECT_DATA_OBJID`
    pub const INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
    /// `SPC_PE_IMAGE_DATA_OBJID`
    pub const PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
    /// `SPC_CAB_DATA_OBJID`, which catalogs have for whatever is no PE file.
    pub const CAB_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.25");
    /// SHA-256
    pub const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
    /// PKCS #7 signedData
    pub const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
}

/// `CRYPTCAT_ATTR_NAMEASCII | CRYPTCAT_ATTR_DATAASCII | CRYPTCAT_ATTR_AUTHENTICATED` (mscat.h).
const NAME_VALUE_FLAGS: u32 = 0x1001_0001;
/// `OSAttr` of each member: NT (2), version 10.0.
const OS_VERSION: &str = "2:10.0";

/// Why a catalog cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file that is to be listed as an image is none.
    #[error("{0} is no 64-bit PE image")]
    NoImage(String),
    /// What ASN.1 cannot say.
    #[error("the catalog cannot be encoded: {0}")]
    Encoding(#[from] der::Error),
}

/// What kind of file a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Image,
    File,
}

impl Kind {
    /// The choice in the member's `CAT_MEMBERINFO2`.
    fn member_info(self) -> Result<Any, der::Error> {
        let number = match self {
            Self::Image => TagNumber::N0,
            Self::File => TagNumber::N2,
        };
        Any::new(Tag::ContextSpecific { constructed: false, number }, [])
    }

    /// What the digest is one of: its identifier, and the value that Authenticode has for it.
    fn subject(self) -> Result<SpcAttributeTypeAndOptionalValue, der::Error> {
        // An SpcLink to a file without a name: [2] { [0] "" }.
        const LINK: &[u8] = &[0xA2, 0x02, 0x80, 0x00];
        // An SpcPeImageData: the flags `includeResources`, and [0] with that link.
        const IMAGE: &[u8] = &[0x30, 0x0A, 0x03, 0x02, 0x05, 0xA0, 0xA0, 0x04, 0xA2, 0x02, 0x80, 0x00];
        let (value_type, value) = match self {
            Self::Image => (oid::PE_IMAGE_DATA, IMAGE),
            Self::File => (oid::CAB_DATA, LINK),
        };
        Ok(SpcAttributeTypeAndOptionalValue { value_type, value: Any::from_der(value)? })
    }
}

/// A file that the catalog lists.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    kind: Kind,
    sha1: [u8; 20],
    sha256: [u8; 32],
}

/// A catalog to which members are added.
#[derive(Clone, Debug)]
pub struct Catalog {
    os: String,
    members: Vec<Member>,
}

impl Catalog {
    /// A catalog without members. `os` are the versions of Windows that it is for, as published catalogs name them:
    /// `_v100_X64_Vb` is Windows 10 2004 for x64, `_v100_ARM64_Vb` the same for ARM64.
    pub fn new(os: &str) -> Self {
        Self { os: os.to_owned(), members: Vec::new() }
    }

    /// Lists a PE image by its Authenticode digest, which a signature in it does not change.
    ///
    /// # Errors
    /// If it is no 64-bit PE image.
    pub fn add_image(&mut self, name: &str, bytes: &[u8]) -> Result<(), CatalogError> {
        let no_image = || CatalogError::NoImage(name.to_owned());
        let image = PeFile64::parse(bytes).map_err(|_| no_image())?;
        let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
        authenticode::authenticode_digest(&image, &mut sha1).map_err(|_| no_image())?;
        authenticode::authenticode_digest(&image, &mut sha256).map_err(|_| no_image())?;
        self.add(name, Kind::Image, sha1.finalize().into(), sha256.finalize().into());
        Ok(())
    }

    /// Lists any other file by the digest of its bytes.
    pub fn add_file(&mut self, name: &str, bytes: &[u8]) {
        self.add(name, Kind::File, Sha1::digest(bytes).into(), Sha256::digest(bytes).into());
    }

    fn add(&mut self, name: &str, kind: Kind, sha1: [u8; 20], sha256: [u8; 32]) {
        self.members.push(Member { name: name.to_lowercase(), kind, sha1, sha256 });
    }

    /// The catalog, not signed. `date` is when it is said to be made, in seconds since 1970. The same members and the same
    /// date give the same bytes.
    ///
    /// # Errors
    /// A date beyond 2049, or a name that UCS-2 does not have.
    pub fn to_der(&self, date: u64) -> Result<Vec<u8>, CatalogError> {
        let mut subjects = BTreeMap::new();
        for member in &self.members {
            subjects.insert(member.sha1.to_vec(), member.subject(&member.sha1, None)?);
            subjects.insert(member.sha256.to_vec(), member.subject(&member.sha256, Some(member.indirect_data()?))?);
        }
        let trusted_subjects: Vec<_> = subjects.into_values().collect();
        let list = CertificateTrustList {
            subject_usage: vec![oid::CATALOG_LIST],
            // Inf2Cat takes a GUID; ours says what the list has in it.
            list_identifier: OctetString::new(&Sha256::digest(trusted_subjects.to_der()?)[..16])?,
            this_update: UtcTime::from_unix_duration(Duration::from_secs(date))?,
            subject_algorithm: AlgorithmIdentifierOwned {
                oid: oid::CATALOG_LIST_MEMBER_V2,
                parameters: Some(Any::encode_from(&Null)?),
            },
            trusted_subjects,
            extensions: Some(vec![Extension {
                extn_id: oid::NAME_VALUE,
                critical: false,
                extn_value: OctetString::new(NameValue::new("OS", &self.os)?.to_der()?)?,
            }]),
        };
        let message = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![sha256()?])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: oid::CTL,
                econtent: Some(Any::encode_from(&list)?),
            },
            certificates: None,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::new()),
        };
        let message = ContentInfo { content_type: oid::SIGNED_DATA, content: Any::encode_from(&message)? };
        Ok(message.to_der()?)
    }
}

/// A PE image without its signature, and without the checksum that signing changes.
///
/// # Errors
/// If it is no 64-bit PE image.
pub fn without_signature(mut image: Vec<u8>) -> Result<Vec<u8>, CatalogError> {
    let (checksum, directory, signature) = {
        let no_image = || CatalogError::NoImage("the file".to_owned());
        let file = PeFile64::parse(&*image).map_err(|_| no_image())?;
        let offsets = file.offsets().map_err(|_| no_image())?;
        let signature = file.certificate_table_range().map_err(|_| no_image())?;
        (offsets.check_sum, offsets.security_data_dir, signature.unwrap_or(0..0))
    };
    for field in [checksum..checksum + size_of::<u32>(), directory..directory + 2 * size_of::<u32>()] {
        image[field].fill(0);
    }
    if !signature.is_empty() {
        image.truncate(signature.start);
    }
    Ok(image)
}

/// The list in a catalog, without the signature around it.
///
/// # Errors
/// If it is no catalog.
pub fn list(catalog: &[u8]) -> Result<Vec<u8>, CatalogError> {
    let message: SignedData = ContentInfo::from_der(catalog)?.content.decode_as()?;
    Ok(message.encap_content_info.econtent.to_der()?)
}

impl Member {
    fn subject(&self, digest: &[u8], indirect_data: Option<Attribute>) -> Result<TrustedSubject, der::Error> {
        let mut attributes = SetOfVec::new();
        attributes.insert(attribute(oid::MEMBER_INFO_V2, self.kind.member_info()?)?)?;
        for (name, value) in [("OSAttr", OS_VERSION), ("File", &self.name)] {
            attributes.insert(attribute(oid::NAME_VALUE, Any::encode_from(&NameValue::new(name, value)?)?)?)?;
        }
        if let Some(indirect_data) = indirect_data {
            attributes.insert(indirect_data)?;
        }
        Ok(TrustedSubject { identifier: OctetString::new(digest)?, attributes })
    }

    fn indirect_data(&self) -> Result<Attribute, der::Error> {
        let data = SpcIndirectDataContent {
            data: self.kind.subject()?,
            message_digest: DigestInfo { digest_algorithm: sha256()?, digest: OctetString::new(self.sha256)? },
        };
        attribute(oid::INDIRECT_DATA, Any::encode_from(&data)?)
    }
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Result<Attribute, der::Error> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

fn sha256() -> Result<AlgorithmIdentifierOwned, der::Error> {
    Ok(AlgorithmIdentifierOwned { oid: oid::SHA_256, parameters: Some(Any::encode_from(&Null)?) })
}

/// `CertificateTrustList`, without the fields that catalogs leave out.
#[derive(Sequence)]
struct CertificateTrustList {
    subject_usage: Vec<ObjectIdentifier>,
    list_identifier: OctetString,
    this_update: UtcTime,
    subject_algorithm: AlgorithmIdentifierOwned,
    trusted_subjects: Vec<TrustedSubject>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// `TrustedSubject`
#[derive(Sequence)]
struct TrustedSubject {
    identifier: OctetString,
    attributes: SetOfVec<Attribute>,
}

/// `CAT_NAMEVALUE`
#[derive(Sequence)]
struct NameValue {
    name: BmpString,
    flags: u32,
    /// UTF-16 with a null at its end.
    value: OctetString,
}

impl NameValue {
    fn new(name: &str, value: &str) -> Result<Self, der::Error> {
        let value: Vec<u8> = value.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        Ok(Self { name: BmpString::from_utf8(name)?, flags: NAME_VALUE_FLAGS, value: OctetString::new(value)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three members of Wintun's catalog for ARM64, as published: its image and its INF by SHA-256, its INF by SHA-1.
    const PUBLISHED_IMAGE: &[&str] = &[
        "308201060420899f8fbea43512a7234a44256a3f55b4ce92e5cbd5c99bc507a78b7c491be4ba3181e13010060a2b06010401",
        "82370c0203310280003034060a2b0601040182370c0201312630241e0c004f00530041007400740072020410010001040e32",
        "003a00310030002e00300000003038060a2b0601040182370c0201312a30281e0800460069006c0065020410010001041677",
        "0069006e00740075006e002e007300790073000000305d060a2b060104018237020104314f304d3018060a2b060104018237",
        "02010f300a030205a0a004a20280003031300d060960864801650304020105000420899f8fbea43512a7234a44256a3f55b4",
        "ce92e5cbd5c99bc507a78b7c491be4ba",
    ];
    const PUBLISHED_INF: &[&str] = &[
        "3081fe0420c6e8ce93a94fc54b5010b92b4086b0b33d621d7a646cbcce7914123760d6c6bf3181d93010060a2b0601040182",
        "370c0203310282003034060a2b0601040182370c0201312630241e0c004f00530041007400740072020410010001040e3200",
        "3a00310030002e00300000003038060a2b0601040182370c0201312a30281e0800460069006c006502041001000104167700",
        "69006e00740075006e002e0069006e00660000003055060a2b060104018237020104314730453010060a2b06010401823702",
        "0119a20280003031300d060960864801650304020105000420c6e8ce93a94fc54b5010b92b4086b0b33d621d7a646cbcce79",
        "14123760d6c6bf",
    ];
    const PUBLISHED_INF_SHA1: &[&str] = &[
        "30819b0414e1a2f26ec107d966ca849508b866a8ae7bb378f43181823010060a2b0601040182370c0203310282003034060a",
        "2b0601040182370c0201312630241e0c004f00530041007400740072020410010001040e32003a00310030002e0030000000",
        "3038060a2b0601040182370c0201312a30281e0800460069006c00650204100100010416770069006e00740075006e002e00",
        "69006e0066000000",
    ];

    fn bytes(hex: &[&str]) -> Vec<u8> {
        let hex = hex.concat();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// The digest that a published member starts with.
    fn digest<const N: usize>(member: &[u8]) -> [u8; N] {
        let head = member.windows(2).position(|pair| pair == [0x04, N as u8]).unwrap() + 2;
        member[head..head + N].try_into().unwrap()
    }

    fn member(name: &str, kind: Kind, sha1: [u8; 20], sha256: [u8; 32]) -> Member {
        Member { name: name.to_owned(), kind, sha1, sha256 }
    }

    #[test]
    fn members_are_byte_for_byte_as_published() {
        let image = bytes(PUBLISHED_IMAGE);
        let made = member("wintun.sys", Kind::Image, [0; 20], digest(&image));
        let made = made.subject(&made.sha256, Some(made.indirect_data().unwrap())).unwrap();
        assert_eq!(made.to_der().unwrap(), image);

        let (inf, inf_sha1) = (bytes(PUBLISHED_INF), bytes(PUBLISHED_INF_SHA1));
        let made = member("wintun.inf", Kind::File, digest(&inf_sha1), digest(&inf));
        let by_sha256 = made.subject(&made.sha256, Some(made.indirect_data().unwrap())).unwrap();
        assert_eq!(by_sha256.to_der().unwrap(), inf);
        assert_eq!(made.subject(&made.sha1, None).unwrap().to_der().unwrap(), inf_sha1);
    }

    fn catalog(inf: &[u8]) -> Vec<u8> {
        let mut catalog = Catalog::new("_v100_X64_Vb");
        catalog.add_file("irqlog.inf", inf);
        catalog.to_der(1_767_225_600).unwrap()
    }

    #[test]
    fn the_list_identifier_is_its_members() {
        let identifier = |catalog: &[u8]| {
            let at = catalog.windows(2).position(|pair| pair == [0x04, 16]).unwrap() + 2;
            catalog[at..at + 16].to_vec()
        };
        assert_eq!(catalog(b"one"), catalog(b"one"));
        assert_ne!(identifier(&catalog(b"one")), identifier(&catalog(b"two")));
    }

    #[test]
    fn what_is_no_image_is_not_listed_as_one() {
        let error = Catalog::new("_v100_X64_Vb").add_image("irqlog.sys", b"MZ").unwrap_err();
        assert_eq!(error.to_string(), "irqlog.sys is no 64-bit PE image");
    }
}
