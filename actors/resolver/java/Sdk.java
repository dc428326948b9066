package amaterasu.resolver;

import coursierapi.Dependency;
import coursierapi.Fetch;
import coursierapi.ResolutionParams;
import java.util.List;

/**
 * hadoop-aws asks for the whole SDK of AWS in one jar of half a gigabyte, and uses a few parts of it, which are jars of their own. They
 * are taken in the version of that jar. Libraries that come along and that every Spark has are left to Spark's.
 */
final class Sdk {
    private static final String GROUP = "software.amazon.awssdk", BUNDLE = "bundle";
    private static final String[] PARTS = { "s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client" };

    private Sdk() {}

    static ResolutionParams without() {
        return Provided.without().addExclusion("io.netty", "*").addExclusion("org.slf4j", "*");
    }

    /** found: what fetch would come to. Changes and returns fetch. */
    static Fetch lean(Fetch fetch, List<Dependency> found) {
        ResolutionParams params = without();
        for (Dependency one : found)
            if (one.getModule().getOrganization().equals(GROUP) && one.getModule().getName().equals(BUNDLE)) {
                params = params.addExclusion(GROUP, BUNDLE);
                for (String part : PARTS)
                    fetch.addDependencies(Dependency.of(GROUP, part, one.getVersion()));
                break;
            }
        return fetch.withResolutionParams(params);
    }
}
