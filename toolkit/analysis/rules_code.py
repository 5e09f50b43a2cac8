"""The rules for data that is wrong and for every other exception.

Texts are those of pytest, unittest, JUnit, Jest, Go's testing, testify, GoogleTest, and of the libraries that
read formats.
"""

from toolkit.analysis.rules import Category, Rule

DATA = (
    Rule(
        name="constraint",
        category=Category.DATA,
        cause="the data violates a constraint of the database",
        weight=0.96,
        exceptions=(
            r"\w*Violation\w*|IntegrityError|DataIntegrityViolationException|"
            r"\w*ConstraintException|DuplicateKey\w*|DuplicateKeyError|"
            r"UniqueConstraintError|DuplicateEntry\w*|DocumentTooLarge|BulkWriteError"
        ),
    ),
    Rule(
        name="column-type",
        category=Category.DATA,
        cause="a value does not fit the type or size of its column",
        weight=0.96,
        exceptions=(
            r"NumericValueOutOfRange\w*|StringDataRightTruncation\w*|InvalidTextRepresentation\w*|"
            r"InvalidDatetimeFormat\w*|DatetimeFieldOverflow\w*|CharacterNotInRepertoire\w*|"
            r"InvalidBinaryRepresentation\w*|DataError|DataTruncation"
        ),
    ),
    Rule(
        name="column-type-told",
        category=Category.DATA,
        cause="a value does not fit the type or size of its column",
        weight=0.945,
        message=(
            r"out of range for type|value too long for type|invalid input syntax for type|"
            r"invalid byte sequence for encoding|data too long for column|out of range value for column|"
            r"incorrect \w+ value: .{0,80} for column"
        ),
    ),
    Rule(
        name="constraint-told",
        category=Category.DATA,
        cause="the data violates a constraint of the database",
        weight=0.94,
        message=(
            r"(?:unique|foreign key|check|not-null|not null|primary key) constraint|"
            r"duplicate key value|duplicate entry|constraint failed|violates .{0,40}constraint|"
            r"E11000"
        ),
    ),
    Rule(
        name="undecodable",
        category=Category.DATA,
        cause="the text cannot be decoded or encoded",
        weight=0.96,
        exceptions=(
            r"Unicode\w*Error|MalformedInputException|CharacterCodingException|"
            r"UnmappableCharacterException"
        ),
    ),
    Rule(
        name="json",
        category=Category.DATA,
        cause="the JSON is malformed",
        weight=0.96,
        exceptions=(
            r"JSON\w*(?:Error|Exception)|Json\w*(?:Error|Exception)|MismatchedInputException|"
            r"UnrecognizedPropertyException|ParseErrorJson|MalformedJsonException"
        ),
    ),
    Rule(
        name="json-script",
        category=Category.DATA,
        cause="the JSON is malformed",
        weight=0.96,
        exceptions=r"SyntaxError|",
        message=(
            r"in JSON at position|JSON input|is not valid JSON|JSON\.parse|"
            r"looking for beginning of value|invalid character .{1,8} (?:after|in|looking)|"
            r"cannot unmarshal"
        ),
    ),
    Rule(
        name="malformed",
        category=Category.DATA,
        cause="the data is malformed",
        weight=0.94,
        exceptions=(
            r"ParseError|ExpatError|XMLSyntaxError|SAXParseException|ParserError|ScannerError|"
            r"ComposerError|ConstructorError|YAMLError|TOMLDecodeError|TomlDecodeError|"
            r"DuplicateOptionError|MissingSectionHeaderError|ParsingError|BadZipFile|BadZipfile|"
            r"BadGzipFile|UnpicklingError|ReadError|LZMAError|EmptyDataError|DecodeError|"
            r"Decode\w*Error|EncodeError|MsgspecError|FormatException|ParseException|"
            r"DateTimeParseException|NumberFormatException|InvalidFormatException|YamlException|"
            r"ParserException|ArrowInvalid|InvalidOperation|UnidentifiedImageError|"
            r"HeaderParseError|DeserializationError|SerializationException|IncompleteMessage|"
            r"MarshalError|CorruptedError|DataCorrupted|CSVError|ZipException|InvalidHeaderError|"
            r"IllegalCharacterError|BadRequestKeyError|CursorSyntaxError|ArrowTypeError|"
            r"ConversionSyntax|OutOfBoundsDatetime|ParserRejectedMarkup|UnmarshallingError"
        ),
    ),
    Rule(
        name="malformed-low",
        category=Category.DATA,
        cause="the data is malformed",
        weight=0.92,
        exceptions=r"error|Error",
        message=(
            r"\A(?:unpack requires|unpack_from requires|pack expected|bad char in struct|"
            r"argument out of range|.{0,20}format requires|Error -[35] while|Incorrect padding|"
            r"Invalid base64|Non-hexadecimal|Odd-length|incorrect header check|line contains NUL|"
            r"iterator should return|unexpected end of data|field larger|new-line character|"
            r"required argument is not|invalid code lengths|.*base64|Non-base64)"
        ),
    ),
    Rule(
        name="schema",
        category=Category.DATA,
        cause="the data does not fit its schema",
        weight=0.95,
        exceptions=(
            r"\w*Validation(?:Error|Errors|Exception|Failed)|SchemaError\w*|BestMatchError|"
            r"Invalid|MultipleInvalid|ValidationErrorGroup|ResponseValidationError|"
            r"MethodArgumentNotValidException|SchemaMismatch\w*|InvalidDocument|"
            r"DataclassValidationError|ZodError|ClassValidationError|ClientSchemaError|"
            r"MethodArgumentTypeMismatchException"
        ),
    ),
    Rule(
        name="value",
        category=Category.DATA,
        cause="a value cannot be read as what it should be",
        weight=0.9,
        exceptions=r"ValueError|OverflowError|TypeError|Error|OutOfBoundsDatetime",
        message=(
            r"invalid literal for |could not convert string to|does not match format|"
            r"Invalid isoformat|unconverted data remains|(?:month|day|hour|minute|second|"
            r"year) .{0,40}(?:must be in|out of range)|day is out of range|"
            r"badly formed hexadecimal|malformed (?:node|string)|embedded null|Invalid date|"
            r"unparseable|not a valid (?:UUID|JSON|date|time|email|number|integer|URL|IP)|"
            r"does not appear to be an IPv|Unknown string format|Unable to parse|"
            r"String does not contain|Invalid control character|invalid base64|bad marshal data|"
            r"non-hexadecimal number|Invalid UUID|(?:Can(?:no|')t|Could not|Failed to) (?:parse|"
            r"decode)|Length mismatch|unknown url type|malformed|corrupt(?:ed)?\b|"
            r"is not a valid \w+$|Invalid JSON|Invalid XML|unsupported pickle protocol|truncated"
        ),
    ),
    Rule(
        name="no-such-key-in-json",
        category=Category.DATA,
        cause="a field that the data should have is missing",
        weight=0.7,
        exceptions=r"KeyError",
        around=r"^>.*(?:json(?:\(\))?\[|json\.loads?\(.*\)\[|response.*\[|payload\[|row\[)[^\n]*$",
    ),
    Rule(
        name="data-told",
        category=Category.DATA,
        cause="the data is malformed",
        weight=0.88,
        message=(
            r"file is not a database|\ARan out of input|disk image is malformed|not a (?:zip|gzip) file|"
            r"not a gzipped file|CRC check failed|invalid (?:JSON|XML|YAML|UTF-8)\b|malformed|"
            r"checksum (?:mismatch|failed|does not)|corrupt(?:ed)?\b|unexpected end of (?:JSON|"
            r"file|stream|data)|codec can't (?:de|en)code|bad magic|not well-formed|"
            r"input is not proper|truncated (?:file|data|header)|End-of-stream marker|"
            r"Compressed file ended|strconv\.\w+: parsing|parsing time \""
        ),
    ),
)

CODE_ERROR = (
    Rule(
        name="null",
        category=Category.CODE_ERROR,
        cause="a value is null where an object is expected",
        weight=0.7,
        exceptions=r"NullPointerException|NullReferenceException",
    ),
    Rule(
        name="null-py",
        category=Category.CODE_ERROR,
        cause="an attribute was asked of None",
        weight=0.65,
        exceptions=r"AttributeError|TypeError",
        message=r"'?NoneType'? object|of (?:undefined|null)\b",
    ),
    Rule(
        name="panic",
        category=Category.CODE_ERROR,
        cause="the program panicked",
        weight=0.9,
        message=(
            r"^\s*panic: (?:runtime error|interface conversion|assignment to entry|\S)|"
            r"invalid memory address or nil pointer|index out of range \[|panicked at"
        ),
    ),
    Rule(
        name="statement",
        category=Category.CODE_ERROR,
        cause="the SQL does not fit the schema of the database, or is wrong",
        weight=0.85,
        exceptions=(
            r"\w*(?:OperationalError|ProgrammingError|DatabaseError|SQLException|SyntaxError|Undefined)\w*"
        ),
        message=(
            r"no such (?:table|column|function|index)|syntax error|has no column|unknown column|"
            r"(?:relation|column|table|function) .{1,120} (?:does not|doesn't|already) exist|"
            r"ambiguous column|"
            r"has \d+ columns but|incorrect number of bindings|misuse of aggregate"
        ),
    ),
    Rule(
        name="plugin",
        category=Category.CODE_ERROR,
        cause="no installed plugin can run asynchronous tests",
        weight=0.97,
        exceptions=r"Failed",
        message=r"async def functions are not natively supported",
    ),
    Rule(
        name="unhandled",
        category=Category.CODE_ERROR,
        cause="an exception that nobody expected ended the test",
        weight=0.5,
        exceptions=r".+",
    ),
    Rule(
        name="unknown",
        category=Category.CODE_ERROR,
        cause="the report does not say what happened",
        weight=0.3,
        exceptions=r"|",
    ),
)

RULES: tuple[Rule, ...] = (*DATA, *CODE_ERROR)
