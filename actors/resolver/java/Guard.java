package amaterasu.resolver;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Asked by the JDK before each connection, redirects included, which makes it the one place to say no. A server may send us on, but
 * only to a public address over https: else a repository could make this machine talk to its neighbours. Addresses stay as they were
 * first looked up (networkaddress.cache.ttl), so what is checked here is what is connected to.
 */
final class Guard extends ProxySelector {
    /** Stands in the error texts of coursier, which knows nothing of classes of errors. */
    static final String MARK = "address not allowed: ";

    private final ProxySelector inner;
    private final Set<String> asked = ConcurrentHashMap.newKeySet();

    Guard(ProxySelector inner) {
        this.inner = inner;
    }

    /** This address is one that the request names (or a mirror that this machine's user set up), not one we were sent to. */
    void allow(String url) {
        String place = place(URI.create(url));
        if (place != null)
            asked.add(place);
    }

    private static String place(URI uri) {
        if (uri.getHost() == null)
            return null;
        return (uri.getScheme() + "://" + uri.getHost() + ":" + uri.getPort()).toLowerCase(Locale.ROOT);
    }

    @Override
    public List<Proxy> select(URI uri) {
        List<Proxy> proxies = inner == null ? List.of(Proxy.NO_PROXY) : inner.select(uri);
        if ("socket".equals(uri.getScheme()))
            return proxies;
        boolean direct = proxies.isEmpty() || proxies.get(0).type() == Proxy.Type.DIRECT;
        check(uri, direct);
        return proxies;
    }

    private void check(URI uri, boolean direct) {
        String place = place(uri);
        boolean named = place != null && asked.contains(place), loopback = false;
        if (place == null)
            throw refused(uri, "it has no host");
        if (direct) {
            try {
                for (InetAddress address : InetAddress.getAllByName(uri.getHost())) {
                    loopback |= address.isLoopbackAddress();
                    if (address.isLinkLocalAddress() || address.isAnyLocalAddress() || address.isMulticastAddress())
                        throw refused(uri, "no repository lives at " + address.getHostAddress());
                    if (!named && (address.isLoopbackAddress() || isPrivate(address)))
                        throw refused(uri, "a server sent us to a private address");
                }
            } catch (UnknownHostException e) {
                return; // the connection will say so
            }
        }
        if (!"https".equals(uri.getScheme()) && !(named && loopback))
            throw refused(uri, "only https is spoken to other machines");
    }

    private static boolean isPrivate(InetAddress address) {
        byte[] b = address.getAddress();
        boolean unique = b.length == 16 && (b[0] & 0xfe) == 0xfc;
        boolean shared = b.length == 4 && b[0] == 100 && (b[1] & 0xc0) == 64;
        return address.isSiteLocalAddress() || unique || shared;
    }

    private static SecurityException refused(URI uri, String why) {
        return new SecurityException(MARK + uri.getScheme() + "://" + uri.getAuthority() + " (" + why + ")");
    }

    @Override
    public void connectFailed(URI uri, SocketAddress address, IOException e) {
        if (inner != null)
            inner.connectFailed(uri, address, e);
    }
}
