package amaterasu.resolver;

import coursierapi.Credentials;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** What is wanted, as it comes over standard input: a word and its values a line, separated by tabs. README.md has the table. */
final class Request {
    static final int BYTES_MAX = 8 << 20;

    record Repo(String id, String url, String user, String password) {
        boolean isCentral() {
            return url.isEmpty();
        }

        /** NULL if there are none. */
        Credentials credentials() {
            return user == null ? null : Credentials.of(user, password);
        }
    }

    record Wanted(String group, String name, String version) {
        @Override
        public String toString() {
            return group + ":" + name + ":" + version;
        }
    }

    String cache;
    boolean offline;
    boolean lean;
    long fileBytesMax = Long.MAX_VALUE;
    long totalBytesMax = Long.MAX_VALUE;
    final List<Repo> repositories = new ArrayList<>();
    final List<Wanted> artifacts = new ArrayList<>();

    static Request read(InputStream in) throws IOException, Failure {
        byte[] bytes = in.readNBytes(BYTES_MAX + 1);
        if (bytes.length > BYTES_MAX)
            throw bad("more than " + BYTES_MAX + " bytes");
        Request request = new Request();
        boolean ended = false;
        for (String line : new String(bytes, StandardCharsets.UTF_8).split("\n")) {
            ended = line.equals("end");
            if (!ended)
                request.take(line.split("\t", -1));
        }
        if (!ended)
            throw bad("it does not end");
        if (request.cache == null || request.repositories.isEmpty() || request.artifacts.isEmpty())
            throw bad("cache, repository and artifact are required");
        return request;
    }

    private void take(String[] words) throws Failure {
        for (int i = 1; i < words.length; i++)
            words[i] = Lines.unescape(words[i]);
        switch (words[0] + "/" + (words.length - 1)) {
            case "cache/1" -> cache = words[1];
            case "offline/0" -> offline = true;
            case "lean/0" -> lean = true;
            case "limits/2" -> {
                fileBytesMax = number(words[1]);
                totalBytesMax = number(words[2]);
            }
            case "repository/2" -> repositories.add(new Repo(words[1], words[2], null, null));
            case "repository/4" -> repositories.add(new Repo(words[1], words[2], words[3], words[4]));
            case "artifact/3" -> artifacts.add(new Wanted(words[1], words[2], words[3]));
            default -> throw bad("a line that is not understood");
        }
    }

    private static long number(String text) throws Failure {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw bad("no number");
        }
    }

    /** Never shows a line: it may hold a password. */
    private static Failure bad(String what) {
        return new Failure(Failure.Kind.REQUEST, "the request: " + what);
    }
}
