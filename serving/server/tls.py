"""TLS from PEM files: for gRPC and for HTTP, with client certificates where a CA is given."""

import dataclasses
import ssl
from pathlib import Path

import grpc


@dataclasses.dataclass(frozen=True)
class ServerTls:
    """A server's certificate.

    Attributes:
        key_path, cert_path: PEM files; the certificate may be a chain.
        client_ca_path: PEM file: clients must show a certificate that it signed; None: none.
    """

    key_path: Path
    cert_path: Path
    client_ca_path: Path | None = None

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For grpc.Server.add_secure_port.

        Raises:
            ValueError: A file is missing or is no PEM file that fits.
        """
        self.ssl_context()  # says what is wrong, where gRPC does not
        client_ca = self.client_ca_path.read_bytes() if self.client_ca_path else None
        pair = (self.key_path.read_bytes(), self.cert_path.read_bytes())
        return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=bool(client_ca))

    def ssl_context(self) -> ssl.SSLContext:
        """For HTTP.

        Raises:
            ValueError: As grpc_credentials.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.cert_path, self.key_path)
            if self.client_ca_path:
                context.load_verify_locations(self.client_ca_path)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(
                f"TLS files {self.cert_path}, {self.key_path}, {self.client_ca_path}: "
                f"{error.strerror or error}; expected PEM files, the key being the certificate's."
            ) from error
        return context
