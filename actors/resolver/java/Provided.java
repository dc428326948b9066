package amaterasu.resolver;

import coursierapi.ResolutionParams;

/**
 * What every Spark session has already. Files of it that come along with a library would at best be loaded twice, at worst be of
 * another version; so they are left out, unless the job names them itself.
 */
final class Provided {
    private static final String[] SCALA = { "scala-library", "scala-reflect", "scala-compiler" };
    private static final String[] SPARK = { "core", "sql", "sql-api", "catalyst", "streaming", "mllib", "mllib-local", "graphx",
        "repl", "launcher", "network-common", "network-shuffle", "common-utils", "kvstore", "sketch", "tags", "unsafe" };
    private static final String[] LINES = { "2.11", "2.12", "2.13" };

    private Provided() {}

    static ResolutionParams without() {
        ResolutionParams params = ResolutionParams.create();
        for (String name : SCALA)
            params = params.addExclusion("org.scala-lang", name);
        for (String name : SPARK)
            for (String line : LINES)
                params = params.addExclusion("org.apache.spark", "spark-" + name + "_" + line);
        return params;
    }
}
