"""Makes ``dagfusion_client/models.py`` from the service's OpenAPI document: ``python -m client.generate_models``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

TARGET = Path(__file__).parent / "dagfusion_client" / "models.py"
_HEADER = '"""The service\'s documents. Generated from its OpenAPI document by `python -m client.generate_models`."""\n'


def generated() -> str:
    """The module's text as the service's routes are now."""
    from datamodel_code_generator import generate
    from datamodel_code_generator.enums import DataModelType
    from datamodel_code_generator.format import Formatter, PythonVersion
    from datamodel_code_generator.parser import LiteralType

    from adapters.doors.http.app import create_app
    from adapters.host.settings import Settings

    document = create_app(Settings()).openapi()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "models.py"
        generate(
            json.dumps(document),
            output=target,
            output_model_type=DataModelType.PydanticV2BaseModel,
            target_python_version=PythonVersion.PY_311,
            enum_field_as_literal=LiteralType.All,
            collapse_root_models=True,
            use_annotated=True,
            use_schema_description=True,
            use_standard_collections=True,
            use_union_operator=True,
            disable_timestamp=True,
            custom_file_header=_HEADER,
            formatters=[Formatter.BUILTIN],
        )
        return target.read_text()


if __name__ == "__main__":
    TARGET.write_text(generated())
