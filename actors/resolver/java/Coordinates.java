package amaterasu.resolver;

import coursierapi.Dependency;
import java.net.URI;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What a downloaded file is: group:name:version, and a fourth part for a classifier. Read from its place in its repository. */
final class Coordinates {
    private final Set<String> places = new HashSet<>();

    Coordinates(List<Dependency> dependencies) {
        dependencies.forEach(one -> places.add(place(one)));
    }

    /** The folder of its files, below the root of whatever repository. */
    static String place(Dependency one) {
        return one.getModule().getOrganization().replace('.', '/') + "/" + one.getModule().getName() + "/" + one.getVersion();
    }

    /** Where the repository's own path ends and the group begins can not be seen in an address, so known places are tried. */
    String place(String url) {
        String[] path = path(url);
        StringBuilder place = new StringBuilder();
        for (int i = path.length - 2; i >= 0; i--) {
            place.insert(0, place.length() == 0 ? path[i] : path[i] + "/");
            if (places.contains(place.toString()))
                return place.toString();
        }
        return null;
    }

    String of(String url) {
        String place = place(url);
        return place == null ? ofUrl(url) : ofPath(place + "/" + path(url)[path(url).length - 1]);
    }

    /** group/of/it/name/version/file */
    static String ofPath(String path) {
        String[] parts = path.split("/+");
        int n = parts.length;
        return n < 4 ? path : String.join(".", Arrays.copyOf(parts, n - 3)) + ":" + parts[n - 3] + ":" + parts[n - 2]
            + classifier(parts);
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
