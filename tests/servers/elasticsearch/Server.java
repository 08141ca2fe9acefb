import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/** One Elasticsearch node on loopback: `Server HOME`. Its address goes to HOME/logs/http.ports; it ends with its stdin. */
public final class Server {
    public static void main(String[] arguments) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", arguments[0])
            .put("cluster.name", "tests")
            .put("node.name", "tests")
            .put("node.portsfile", true)
            .put("network.host", "127.0.0.1")
            .put("http.port", "0")
            .put("transport.port", "0")
            .put("http.type", "netty4")
            .put("transport.type", "netty4")
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "tests");
        LogConfigurator.configureESLogging();
        LogConfigurator.configure(environment, true);
        PluginsLoader plugins = PluginsLoader.createPluginsLoader(modules(environment), Set.of(), Map.of(), false);
        try (Node node = new Node(environment, plugins)) {
            node.start();
            System.in.transferTo(System.out);
        }
        System.exit(0);
    }

    /** `loadModulesBundles` takes a second argument from version 9 on. */
    @SuppressWarnings("unchecked")
    private static Set<PluginBundle> modules(Environment environment) throws Exception {
        for (Method method : PluginsLoader.class.getMethods()) {
            if (method.getName().equals("loadModulesBundles")) {
                Path folder = (Path) Environment.class.getMethod("modulesDir").invoke(environment);
                Object[] values = method.getParameterCount() == 1 ? new Object[] {folder} : new Object[] {folder, false};
                return (Set<PluginBundle>) method.invoke(null, values);
            }
        }
        throw new NoSuchMethodException("PluginsLoader.loadModulesBundles");
    }
}
