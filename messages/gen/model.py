"""What a schema says, as plain objects; names of C things are derived here and nowhere else."""

SCALARS = ("bool", "u32", "u64", "i64", "f64", "string", "bytes", "id", "digest")
C_TYPES = {
    "bool": "bool",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "i64": "int64_t",
    "f64": "double",
    "string": "char *",
    "bytes": "ama_bytes_t",
    "id": "ama_id_t",
    "digest": "ama_digest_t",
}
# Fewest bytes of a value that must be there: they are written even when zero.
LEAST_BYTES = {"id": 2 + 16, "digest": 2 + 32}


class SchemaError(Exception):
    """A mistake in a schema file; the text begins with file:line."""

    def __init__(self, where, text):
        super().__init__(f"{where}: error: {text}")


class Enum:
    def __init__(self, name, doc, values, family, where):
        self.name, self.doc, self.values, self.family, self.where = name, doc, values, family, where
        self.c_type = f"ama_{name}_t"

    def constant(self, value):
        return f"AMA_{self.name}_{value}".upper()


class Field:
    """kind is a scalar's name, "enum" or "struct"; is_list says that there are many of it."""

    def __init__(self, name, n, kind, where):
        self.name, self.n, self.kind, self.where = name, n, kind, where
        self.is_list = self.optional = False
        self.of = None  # name, then the Enum or Struct itself
        self.max = 0  # bytes of a string, items of a list
        self.item_max = 0  # bytes of a string in a list
        self.doc = ""

    @property
    def beside(self):
        """Name of the member that says whether or how many; empty if there is none."""
        if self.is_list:
            return f"n_{self.name}"
        if self.optional and self.kind != "string":
            return f"has_{self.name}"
        return ""

    @property
    def c_type(self):
        return self.of.c_type if self.of else C_TYPES[self.kind]

    def required_bytes(self):
        """Fewest bytes of the value on the wire, 0 if it may be left out."""
        if self.is_list or self.optional:
            return 0
        if self.kind == "struct":
            return self.of.least_bytes()
        return LEAST_BYTES.get(self.kind, 0)

    def describe(self):
        """The type as people and the append-only check see it."""
        name = self.kind if not self.of else f"{self.kind} {self.of.name}"
        return f"list of {name}" if self.is_list else name


class Struct:
    """A struct or, if `type` is set, a message: its body is one."""

    def __init__(self, name, family, where):
        self.name, self.family, self.where = name, family, where
        self.fields = []
        self.doc = ""
        self.type = 0
        self.roles = []
        self.reply = self.stream = None
        self.c_name = "ama_" + name.replace(".", "_")
        self.c_type = self.c_name + "_t"
        self.constant = "AMA_MSG_" + name.replace(".", "_").upper()

    def least_bytes(self):
        return 1 + sum(1 + f.required_bytes() for f in self.fields if f.required_bytes())

    def depth(self):
        """Containers within one another, this map included."""
        deepest = 0
        for f in self.fields:
            inner = f.of.depth() if f.kind == "struct" else 0
            deepest = max(deepest, inner + (1 if f.is_list else 0))
        return 1 + deepest


class Family:
    def __init__(self, name, number, path):
        self.name, self.number, self.path = name, number, path
        self.doc = ""
        self.uses, self.errors = [], []
        self.structs, self.messages, self.enums = [], [], []

    def ordered(self):
        """Structs and messages, each after what it holds."""
        done = []

        def add(struct):
            if struct in done:
                return
            for f in struct.fields:
                if f.kind == "struct" and f.of.family == self.name:
                    add(f.of)
            done.append(struct)

        for struct in self.structs + self.messages:
            add(struct)
        return done


class Schema:
    def __init__(self, families):
        self.families = families

    def messages(self):
        return sorted((m for f in self.families for m in f.messages), key=lambda m: m.type)

    def structs(self):
        return [s for f in self.families for s in f.structs + f.messages]

    def enums(self):
        return [e for f in self.families for e in f.enums]
