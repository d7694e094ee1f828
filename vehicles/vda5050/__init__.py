"""Ground robots that speak VDA 5050 over MQTT.

Owns the messages (models, codec, topics), the site map, the translation of a round into an
order, the order engine and the sessions over one broker connection. Must not choose routes,
check zones or decide who carries what.

Layers, top down: fleet > session > (transport | engine | telemetry | making) > (release, feasible,
orders) > (profile, dialect) > (codec2, codec3, topics, maps) > models. Only transport and the
reading of profiles do I/O.

Spoken: 2.0, 2.1.0 and 3.0.0, by what each robot says. A further version is a further Codec.
"""
