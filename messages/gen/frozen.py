"""The schema as it was promised: tests/golden/schema-v1.json. It may grow; nothing in it may change or go."""

import json
import os

PATH = "tests/golden/schema-v1.json"


def snapshot(schema):
    structs = {}
    for s in sorted(schema.structs(), key=lambda s: s.name):
        entry = structs[s.name] = {}
        if s.type:
            entry.update(type=s.type, reply=s.reply.name if s.reply else "", stream=s.stream.name if s.stream else "")
        entry["fields"] = {}
        for f in s.fields:
            field = entry["fields"][str(f.n)] = {"name": f.name, "type": f.describe(), "optional": f.optional}
            field.update({word: value for word, value in (("max", f.max), ("item_max", f.item_max)) if value})
    enums = {e.name: dict(e.values) for e in sorted(schema.enums(), key=lambda e: e.name)}
    return {"structs": structs, "enums": enums}


def text(schema):
    """One field a line, so that a difference is one too."""
    now = snapshot(schema)
    lines = ["{", '"structs": {']
    for i, (name, entry) in enumerate(now["structs"].items()):
        head = {key: value for key, value in entry.items() if key != "fields"}
        fields = entry["fields"]
        comma = "," if i + 1 < len(now["structs"]) else ""
        lines.append(f'  {json.dumps(name)}: {json.dumps(head)[:-1]}{", " if head else ""}"fields": {{')
        rows = [f"    {json.dumps(n)}: {json.dumps(field)}" for n, field in fields.items()]
        lines += [row + "," for row in rows[:-1]] + rows[-1:]
        lines.append("  }}" + comma)
    lines += ["},", '"enums": {']
    rows = [f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in now["enums"].items()]
    lines += [row + "," for row in rows[:-1]] + rows[-1:]
    return "\n".join(lines + ["}", "}", ""])


def field_problems(what, old, new):
    for word in ("name", "type", "optional"):
        if old[word] != new[word]:
            yield f"{what}: `{word}` was {old[word]}, is {new[word]}"
    for word in ("max", "item_max"):
        if new.get(word, 0) < old.get(word, 0):
            yield f"{what}: `{word}` was {old[word]}, is {new.get(word, 0)}; bodies that were right would be refused"


def struct_problems(name, old, new):
    for word in ("type", "reply", "stream"):
        if old.get(word) != new.get(word):
            yield f"{name}: `{word}` was {old.get(word)}, is {new.get(word)}"
    for n, field in old["fields"].items():
        if n not in new["fields"]:
            yield f"{name}: field {n} ({field['name']}) is gone"
        else:
            yield from field_problems(f"{name}.{field['name']}", field, new["fields"][n])
    for n, field in new["fields"].items():
        must_be_there = field["type"] in ("id", "digest") or field["type"].startswith("struct ")
        if n not in old["fields"] and must_be_there and not field["optional"]:
            yield f"{name}.{field['name']}: a new {field['type']} must be optional: older bodies do not have it"


def problems(schema, root):
    path = os.path.join(root, PATH)
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        old = json.load(file)
    new = snapshot(schema)
    for name, entry in old["structs"].items():
        if name not in new["structs"]:
            yield f"{name} is gone"
        else:
            yield from struct_problems(name, entry, new["structs"][name])
    for name, values in old["enums"].items():
        for word, number in values.items():
            if new["enums"].get(name, {}).get(word) != number:
                yield f"enum {name}: {word} = {number} is gone or has another number"
