package amaterasu.resolver;

import coursierapi.Dependency;
import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a downloaded file is: group:name:version, and a fourth part for a classifier. Read from its place in its repository. */
final class Coordinates {
    private final Map<String, Dependency> byPlace = new HashMap<>();

    Coordinates(List<Dependency> dependencies) {
        for (Dependency one : dependencies)
            byPlace.put(one.getModule().getName() + "/" + one.getVersion() + "/" + one.getModule().getOrganization(), one);
    }

    /** Where the group ends and the repository's own path begins can not be seen in an address, so known groups are tried. */
    String of(String url) {
        String[] path = path(url);
        int n = path.length;
        if (n < 4)
            return ofUrl(url);
        StringBuilder group = new StringBuilder();
        for (int i = n - 4; i >= 0; i--) {
            group.insert(0, group.length() == 0 ? path[i] : path[i] + ".");
            if (byPlace.containsKey(path[n - 3] + "/" + path[n - 2] + "/" + group))
                return group + ":" + path[n - 3] + ":" + path[n - 2] + classifier(path);
        }
        return ofUrl(url);
    }

    /** Without the group. */
    static String ofUrl(String url) {
        String[] path = path(url);
        int n = path.length;
        return n < 3 ? url : path[n - 3] + ":" + path[n - 2] + classifier(path);
    }

    private static String classifier(String[] path) {
        int n = path.length;
        String file = path[n - 1], plain = path[n - 3] + "-" + path[n - 2];
        int dot = file.lastIndexOf('.');
        return dot > plain.length() + 1 && file.startsWith(plain + "-") ? ":" + file.substring(plain.length() + 1, dot) : "";
    }

    private static String[] path(String url) {
        String path = URI.create(url).getPath();
        return (path == null ? url : path).replaceFirst("^/+", "").split("/+");
    }
}
