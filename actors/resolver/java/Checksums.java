package amaterasu.resolver;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * coursier takes a file whose checksum the repository does not have, and does not look again at a file it has checked once. Here both
 * end: a file is used only if its bytes, as they lie there now, are those that the repository's SHA-1 names.
 */
final class Checksums {
    private static final Pattern SHA1 = Pattern.compile("(?<![0-9a-fA-F])[0-9a-fA-F]{40}(?![0-9a-fA-F])");

    private Checksums() {}

    /** NULL if the file is what it should be, else what is wrong. */
    static String verify(Path file) throws IOException {
        String expected = expected(file);
        if (expected == null)
            return "the repository has no SHA-1 for " + file.getFileName();
        String got = HexFormat.of().formatHex(digest("SHA-1", file));
        return got.equals(expected) ? null
            : file.getFileName() + " has the SHA-1 " + got + ", its repository says " + expected;
    }

    private static String expected(Path file) throws IOException {
        Path[] places = { file.resolveSibling(file.getFileName() + ".sha1"),
            file.resolveSibling("." + file.getFileName() + "__sha1") };
        for (Path place : places) {
            if (!Files.isRegularFile(place) || Files.size(place) > 4096)
                continue;
            Matcher found = SHA1.matcher(new String(Files.readAllBytes(place), java.nio.charset.StandardCharsets.ISO_8859_1));
            if (found.find())
                return found.group().toLowerCase(java.util.Locale.ROOT);
        }
        return null;
    }

    static byte[] digest(String algorithm, Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            byte[] part = new byte[1 << 16];
            for (int n; (n = in.read(part)) > 0; )
                digest.update(part, 0, n);
            return digest.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has both
        }
    }

    /** So that the next attempt downloads it anew. */
    static void forget(Path file) throws IOException {
        String name = file.getFileName().toString();
        for (String one : new String[] { name, name + ".sha1", "." + name + ".checked", "." + name + ".sha1.checked",
            "." + name + "__sha1", "." + name + "__sha1.computed" })
            Files.deleteIfExists(file.resolveSibling(one));
    }
}
