import glob
import json

rows = [json.loads(line) for part in glob.glob(env.outputRootPath + "/by_van/part-*") for line in open(part)]
km = sum(row["km"] for row in rows)
with open("runtime.yaml") as file:
    print(file.read().splitlines()[-1])
print("%d km" % km)
if km > env.configuration["most"]:
    raise ValueError("%d km are more than a day has" % km)
