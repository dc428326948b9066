"""schema/*.yaml -> model.Schema, or the first mistake as file:line."""

import os
import re

import yaml

from model import SCALARS, Enum, Family, Field, Schema, SchemaError, Struct

MAX_DEPTH = 16  # AMA_MP_DEPTH
C_KEYWORDS = set(
    "auto bool break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while".split()
)
WORD = re.compile(r"[a-z][a-z0-9_]*\Z")
# lower-case tails of AMA_E_… in actors/base/ama_err.h
ERR_HEADER = "actors/base/ama_err.h"


class Map(dict):
    """A mapping that knows its line."""

    line = 0


class Loader(yaml.SafeLoader):
    """Only true and false are booleans: `no` is a fine name for a field."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)\Z"), list("tf"))


def construct_map(loader, node):
    result = Map()
    result.line = node.start_mark.line + 1
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in result:
            raise SchemaError(f"{loader.path}:{key_node.start_mark.line + 1}", f"key '{key}' stands twice")
        result[key] = loader.construct_object(value_node, deep=True)
    return result


Loader.add_constructor("tag:yaml.org,2002:map", construct_map)


class Reader:
    def __init__(self, root):
        self.root = root
        self.families, self.structs, self.enums, self.types, self.numbers = {}, {}, {}, {}, {}
        self.c_names = {}
        self.pending = []  # (struct, its yaml)

    def read(self):
        folder = os.path.join(self.root, "messages", "schema")
        for name in sorted(os.listdir(folder)):
            if name.endswith(".yaml"):
                self.read_file(f"messages/schema/{name}")
        for struct, entry in self.pending:
            struct.fields = [self.field(struct, f) for f in entry.get("fields") or []]
            self.check_fields(struct)
            for word in ("reply", "stream"):
                target = entry.get(word)
                if target is not None:
                    setattr(struct, word, self.message_named(target, struct.where))
        self.check_uses()
        self.check_depth()
        return Schema(sorted(self.families.values(), key=lambda f: f.number))

    # -- files and entries

    def read_file(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            text = file.read()
        self.lines = text.split("\n")
        loader = Loader(text)
        loader.path = path
        try:
            document = loader.get_single_data()
        except yaml.MarkedYAMLError as error:
            raise SchemaError(f"{path}:{error.problem_mark.line + 1}", error.problem) from error
        if not isinstance(document, Map):
            raise SchemaError(f"{path}:1", "not a mapping")
        self.known_keys(document, path, "family number uses enums structs messages errors")
        name, number = document.get("family"), document.get("number")
        if not isinstance(name, str) or not WORD.match(name) or not isinstance(number, int) or not 0 <= number <= 0xFF:
            raise SchemaError(f"{path}:1", "`family` and `number` (0 to 0xff) are required")
        if name in self.families or number in self.numbers:
            raise SchemaError(f"{path}:1", f"family {name} or number {number:#04x} is taken")
        if os.path.basename(path) != name + ".yaml":
            raise SchemaError(f"{path}:1", f"family {name} belongs in {name}.yaml")
        family = self.families[name] = self.numbers[number] = Family(name, number, path)
        family.doc = re.sub(r"^#\s*", "", self.lines[0]) if text.startswith("#") else ""
        family.uses = document.get("uses") or []
        family.errors = document.get("errors") or []
        self.check_errors(family)
        for entry in document.get("enums") or []:
            family.enums.append(self.enum(family, entry))
        for entry in document.get("structs") or []:
            family.structs.append(self.struct(family, entry, False))
        for entry in document.get("messages") or []:
            family.messages.append(self.struct(family, entry, True))

    def known_keys(self, entry, path, words):
        for key in entry:
            if key not in words.split():
                raise SchemaError(f"{path}:{entry.line}", f"unknown key '{key}' (known: {words})")

    def comment(self, line):
        found = re.search(r"\s#\s*(.*)$", self.lines[line - 1])
        return found.group(1).strip() if found else ""

    def enum(self, family, entry):
        where = f"{family.path}:{entry.line}"
        self.known_keys(entry, family.path, "name doc values")
        name, values = entry.get("name"), entry.get("values")
        if not isinstance(name, str) or not WORD.match(name) or not isinstance(values, dict):
            raise SchemaError(where, "an enum needs a `name` and `values`")
        if name in self.enums:
            raise SchemaError(where, f"enum {name} stands twice")
        seen = {}
        for word, number in values.items():
            if not isinstance(word, str) or not WORD.match(word):
                raise SchemaError(where, f"enum {name}: '{word}' is no lower-case word")
            if not isinstance(number, int) or not 0 <= number <= 255:
                raise SchemaError(where, f"enum {name}: value {word} is not within 0 to 255")
            if number in seen:
                raise SchemaError(where, f"enum {name}: {word} and {seen[number]} share the number {number}")
            seen[number] = word
        if 0 not in seen:
            raise SchemaError(where, f"enum {name} has no value 0, the one an unknown number reads as")
        enum = self.enums[name] = Enum(name, entry.get("doc", ""), values, family.name, where)
        self.c_name(enum.c_type, where)
        return enum

    def struct(self, family, entry, is_message):
        where = f"{family.path}:{entry.line}"
        self.known_keys(entry, family.path, "name type from reply stream doc fields" if is_message else "name doc fields")
        name = entry.get("name")
        if not isinstance(name, str) or not re.match(rf"{family.name}\.[a-z][a-z0-9_]*\Z", name):
            raise SchemaError(where, f"name '{name}' is not of the form {family.name}.word")
        if name in self.structs:
            raise SchemaError(where, f"{name} stands twice, also at {self.structs[name].where}")
        struct = self.structs[name] = Struct(name, family.name, where)
        self.c_name(struct.c_type, where)
        struct.doc = entry.get("doc") or self.comment(entry.line)
        if is_message:
            self.message(family, struct, entry, where)
        self.pending.append((struct, entry))
        return struct

    def message(self, family, struct, entry, where):
        number = entry.get("type")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= 0xFFFF:
            raise SchemaError(where, f"{struct.name}: `type` must be a number from 1 to 0xffff")
        if number >> 8 != family.number:
            raise SchemaError(where, f"{struct.name}: type {number:#06x} is not in family {family.number:#04x}")
        if number in self.types:
            raise SchemaError(where, f"{struct.name}: type {number:#06x} is {self.types[number].name}'s")
        struct.type = number
        self.types[number] = struct
        struct.roles = entry.get("from")
        if not isinstance(struct.roles, list) or not struct.roles:
            raise SchemaError(where, f"{struct.name}: `from` is missing: which roles may send it?")

    # -- fields

    def field(self, struct, entry):
        path = struct.where.rsplit(":", 1)[0]
        if not isinstance(entry, Map):
            raise SchemaError(struct.where, f"{struct.name}: a field must be a mapping")
        where = f"{path}:{entry.line}"
        self.known_keys(entry, path, "n name type of max item-max optional doc")
        name, n = entry.get("name"), entry.get("n")
        if not isinstance(name, str) or not WORD.match(name) or name in C_KEYWORDS:
            raise SchemaError(where, f"{struct.name}: '{name}' can not be the name of a field")
        if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= 0xFFFF:
            raise SchemaError(where, f"{struct.name}.{name}: `n` must be a number from 1 to 0xffff")
        kind, of = entry.get("type"), entry.get("of")
        field = Field(name, n, kind, where)
        field.doc = entry.get("doc", "")
        field.optional = entry.get("optional", False)
        if kind == "list":
            field.is_list = True
            field.kind = of if of in SCALARS else "struct" if "." in str(of) else "enum"
            if field.optional:
                raise SchemaError(where, f"{struct.name}.{name}: a list is never optional, it can be empty")
        elif kind not in SCALARS + ("enum", "struct"):
            raise SchemaError(where, f"{struct.name}.{name}: unknown type '{kind}'")
        if field.kind in ("enum", "struct"):
            field.of = self.named(field.kind, of, f"{struct.name}.{name}", where)
        elif of is not None and not field.is_list:
            raise SchemaError(where, f"{struct.name}.{name}: `of` does not go with {kind}")
        self.limits(struct, field, entry)
        return field

    def named(self, kind, of, what, where):
        found = (self.enums if kind == "enum" else self.structs).get(of)
        if not found:
            raise SchemaError(where, f"{what}: unknown {kind} '{of}'")
        return found

    def limits(self, struct, field, entry):
        what = f"{struct.name}.{field.name}"
        sized = field.kind in ("string", "bytes")
        needs = {"max": field.is_list or sized, "item-max": field.is_list and sized}
        for word, needed in needs.items():
            value = entry.get(word)
            if needed and (not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 8 << 20):
                raise SchemaError(field.where, f"{what}: `{word}` is missing or not within 1 to 8388608")
            if not needed and value is not None:
                raise SchemaError(field.where, f"{what}: `{word}` does not go with its type")
        field.max, field.item_max = entry.get("max", 0), entry.get("item-max", 0)

    # -- the whole

    def check_fields(self, struct):
        numbers, members = {}, {}
        last = 0
        for f in struct.fields:
            if f.n in numbers:
                raise SchemaError(f.where, f"{struct.name}: {f.name} and {numbers[f.n]} share the number {f.n}")
            if f.n < last:
                raise SchemaError(f.where, f"{struct.name}.{f.name}: fields stand in order of their numbers")
            last = f.n
            numbers[f.n] = f.name
            for member in filter(None, (f.name, f.beside)):
                if member in members:
                    raise SchemaError(f.where, f"{struct.name}: member '{member}' stands twice")
                members[member] = f

    def message_named(self, name, where):
        found = self.structs.get(name)
        if not found or not found.type:
            raise SchemaError(where, f"unknown message '{name}'")
        return found

    def c_name(self, name, where):
        if name in self.c_names:
            raise SchemaError(where, f"{name} would be made twice, also by {self.c_names[name]}")
        self.c_names[name] = where

    def check_errors(self, family):
        with open(os.path.join(self.root, ERR_HEADER), encoding="utf-8") as file:
            known = {word.lower() for word in re.findall(r"AMA_E_(\w+) = ", file.read())}
        for word in family.errors:
            if word not in known:
                raise SchemaError(f"{family.path}:1", f"error '{word}' is not one of {ERR_HEADER}")

    def check_uses(self):
        roles = self.enums["role"].values if "role" in self.enums else {}
        for family in self.families.values():
            for used in family.uses:
                if used not in self.families:
                    raise SchemaError(f"{family.path}:1", f"uses unknown family '{used}'")
                if family.name in self.families[used].uses:
                    raise SchemaError(f"{family.path}:1", f"{family.name} and {used} use each other")
            for struct in family.structs + family.messages:
                for f in struct.fields:
                    if f.kind == "struct" and f.of.family not in [family.name] + family.uses:
                        raise SchemaError(f.where, f"{f.of.name} needs `uses: [{f.of.family}]`")
                for role in struct.roles:
                    if role != "any" and role not in roles:
                        raise SchemaError(struct.where, f"{struct.name}: unknown role '{role}'")

    def check_depth(self):
        for struct in self.structs.values():
            held, seen = [struct], set()
            while held:
                inner = [f.of for f in held.pop().fields if f.kind == "struct" and f.of not in seen]
                seen.update(inner)
                held += inner
            if struct in seen:
                raise SchemaError(struct.where, f"{struct.name} holds itself")
        for struct in self.structs.values():
            if struct.depth() > MAX_DEPTH:
                raise SchemaError(struct.where, f"{struct.name} is nested {struct.depth()} deep; {MAX_DEPTH} at most")


def read_schema(root):
    return Reader(root).read()
