"""Ground robots that speak VDA 5050 over MQTT.

Owns the messages (models, codec, topics), the site map, the translation of a round into an
order, the order engine and the sessions over one broker connection. Must not choose routes,
check zones or decide who carries what.

Layers, top down: fleet > session > (transport | engine | orders | telemetry) > (codec, topics,
maps) > models. Engine, orders, telemetry, codec, topics and maps do no I/O.

Spoken: 2.1.0. Accepted from robots: 2.0.x and 2.1.x. A further version is a further Codec.
"""
