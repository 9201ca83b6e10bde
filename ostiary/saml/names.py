"""URNs, namespaces and algorithm identifiers of SAML 2.0 and XML Signature, by the names the standards give them."""

from typing import Final

# Namespaces
SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML1P: Final = "urn:oasis:names:tc:SAML:1.0:protocol"
MD: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
DSIG11: Final = "http://www.w3.org/2009/xmldsig11#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
EC: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
XS: Final = "http://www.w3.org/2001/XMLSchema"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
XML: Final = "http://www.w3.org/XML/1998/namespace"
SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
MDUI: Final = "urn:oasis:names:tc:SAML:metadata:ui"
MDRPI: Final = "urn:oasis:names:tc:SAML:metadata:rpi"
MDATTR: Final = "urn:oasis:names:tc:SAML:metadata:attribute"
SHIBMD: Final = "urn:mace:shibboleth:metadata:1.0"
# SAML V2.0 Metadata Profile for Algorithm Support 1.0
ALG: Final = "urn:oasis:names:tc:SAML:metadata:algsupport"
IDPDISC: Final = "urn:oasis:names:tc:SAML:profiles:SSO:idp-discovery-protocol"
# Asynchronous Single Logout Profile Extension 1.0
ASLO: Final = "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"
ECP: Final = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
PAOS_MESSAGE: Final = "urn:liberty:paos:2003-08"
# Our own request extension: the URL whose application domain the requested attributes are for.
OSTIARY_TARGET: Final = "urn:x-ostiary:target:1.0"

# Bindings (SAML bindings 3)
HTTP_REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
HTTP_POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
HTTP_POST_SIMPLE_SIGN: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST-SimpleSign"
HTTP_ARTIFACT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
PAOS: Final = "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
SOAP: Final = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
DEFLATE: Final = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"

# Name identifier formats (SAML core 8.3)
TRANSIENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
EMAIL_ADDRESS: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
X509_SUBJECT_NAME: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"
UNSPECIFIED_NAMEID: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
ENTITY: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"

# Attribute name formats (SAML core 8.2)
URI_NAME: Final = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
BASIC_NAME: Final = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
UNSPECIFIED_NAME: Final = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"

# Subject confirmation (SAML profiles 3)
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SENDER_VOUCHES: Final = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"

# Status codes (SAML core 3.2.2.2)
SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
REQUESTER: Final = "urn:oasis:names:tc:SAML:2.0:status:Requester"
RESPONDER: Final = "urn:oasis:names:tc:SAML:2.0:status:Responder"
VERSION_MISMATCH: Final = "urn:oasis:names:tc:SAML:2.0:status:VersionMismatch"
AUTHN_FAILED: Final = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"
INVALID_NAMEID_POLICY: Final = "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"
INVALID_ATTR_NAME_OR_VALUE: Final = "urn:oasis:names:tc:SAML:2.0:status:InvalidAttrNameOrValue"
NO_AUTHN_CONTEXT: Final = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"
NO_PASSIVE: Final = "urn:oasis:names:tc:SAML:2.0:status:NoPassive"
PARTIAL_LOGOUT: Final = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"
REQUEST_DENIED: Final = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
REQUEST_UNSUPPORTED: Final = "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported"
UNKNOWN_PRINCIPAL: Final = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"

# Why somebody is logged out (SAML core 3.7.3)
LOGOUT_USER: Final = "urn:oasis:names:tc:SAML:2.0:logout:user"
LOGOUT_ADMIN: Final = "urn:oasis:names:tc:SAML:2.0:logout:admin"
LOGOUT_GLOBAL_TIMEOUT: Final = "urn:oasis:names:tc:SAML:2.0:logout:global-timeout"
LOGOUT_SP_TIMEOUT: Final = "urn:oasis:names:tc:SAML:2.0:logout:sp-timeout"

# Authentication contexts (SAML authn context 3.4)
PASSWORD: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"  # noqa: S105
PASSWORD_PROTECTED_TRANSPORT: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105
KERBEROS: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos"
TLS_CLIENT: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:TLSClient"
UNSPECIFIED_CONTEXT: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
# REFEDS Single-Factor and Multi-Factor Authentication Profiles
REFEDS_SFA: Final = "https://refeds.org/profile/sfa"
REFEDS_MFA: Final = "https://refeds.org/profile/mfa"

# XML Signature algorithms
EXCLUSIVE_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
EXCLUSIVE_C14N_WITH_COMMENTS: Final = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"
ENVELOPED_SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512: Final = "http://www.w3.org/2001/04/xmlenc#sha512"
# Only for a partner whom the configuration names.
RSA_SHA1: Final = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
RSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ECDSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
ECDSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"

# XML Encryption algorithms
SHA1: Final = "http://www.w3.org/2000/09/xmldsig#sha1"
AES128_GCM: Final = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
AES192_GCM: Final = "http://www.w3.org/2009/xmlenc11#aes192-gcm"
AES256_GCM: Final = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
AES128_CBC: Final = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
AES192_CBC: Final = "http://www.w3.org/2001/04/xmlenc#aes192-cbc"
AES256_CBC: Final = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
TRIPLEDES_CBC: Final = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"
RSA_1_5: Final = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
RSA_OAEP_MGF1P: Final = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
RSA_OAEP: Final = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
MGF1_SHA1: Final = "http://www.w3.org/2009/xmlenc11#mgf1sha1"
MGF1_SHA256: Final = "http://www.w3.org/2009/xmlenc11#mgf1sha256"
MGF1_SHA384: Final = "http://www.w3.org/2009/xmlenc11#mgf1sha384"
MGF1_SHA512: Final = "http://www.w3.org/2009/xmlenc11#mgf1sha512"
ENCRYPTED_ELEMENT: Final = "http://www.w3.org/2001/04/xmlenc#Element"
ENCRYPTED_KEY: Final = "http://www.w3.org/2001/04/xmlenc#EncryptedKey"

# The original Shibboleth's request for a login, as the binding of an SSO endpoint (Shibboleth Architecture, Protocols and Profiles 3.1.1)
SHIBBOLETH_REQUEST: Final = "urn:mace:shibboleth:1.0:profiles:AuthnRequest"

# Entity categories
ENTITY_CATEGORY: Final = "http://macedir.org/entity-category"
ENTITY_CATEGORY_SUPPORT: Final = "http://macedir.org/entity-category-support"
ASSURANCE_CERTIFICATION: Final = "urn:oasis:names:tc:SAML:attribute:assurance-certification"
REMD: Final = "http://refeds.org/metadata"
SECURITY_CONTACT: Final = "http://refeds.org/metadata/contactType/security"
RESEARCH_AND_SCHOLARSHIP: Final = "http://refeds.org/category/research-and-scholarship"
CODE_OF_CONDUCT_1: Final = "http://www.geant.net/uri/dataprotection-code-of-conduct/v1"
CODE_OF_CONDUCT_2: Final = "https://refeds.org/category/code-of-conduct/v2"
ANONYMOUS_ACCESS: Final = "https://refeds.org/category/anonymous"
PSEUDONYMOUS_ACCESS: Final = "https://refeds.org/category/pseudonymous"
PERSONALIZED_ACCESS: Final = "https://refeds.org/category/personalized"
ENTITY_SELECTION_PROFILE: Final = "https://refeds.org/entity-selection-profile"
HIDE_FROM_DISCOVERY: Final = "http://refeds.org/category/hide-from-discovery"

# Prefixes used when this software writes XML
PREFIXES: Final[dict[str, str]] = {
    "saml": SAML,
    "samlp": SAMLP,
    "md": MD,
    "ds": DS,
    "xenc": XENC,
    "xenc11": XENC11,
    "xs": XS,
    "xsi": XSI,
    "mdui": MDUI,
    "mdrpi": MDRPI,
    "mdattr": MDATTR,
    "shibmd": SHIBMD,
    "idpdisc": IDPDISC,
    "alg": ALG,
    "soap11": SOAP11,
    "aslo": ASLO,
    "ecp": ECP,
    "paos": PAOS_MESSAGE,
    "remd": REMD,
    "ostiary": OSTIARY_TARGET,
}
