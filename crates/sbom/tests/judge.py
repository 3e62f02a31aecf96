"""Validates an SPDX and a CycloneDX document: exits with what is wrong with them."""
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

spdx, cyclonedx = sys.argv[1:]
messages = validate_full_spdx_document(parse_file(spdx), "SPDX-2.3")
if messages:
    sys.exit("\n".join(message.validation_message for message in messages[:20]))
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(cyclonedx).read())
if error:
    sys.exit(f"CycloneDX: {error.data}")
