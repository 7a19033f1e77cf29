//! A TLS connection to the switch, whatever goes over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters::limits::HANDSHAKE_TIMEOUT_MS;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Socket and handshake.
pub(crate) async fn connect(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, String> {
    let limit = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    let socket = timeout(limit, TcpStream::connect(address))
        .await
        .map_err(|_| "no answer".to_owned())?
        .map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    timeout(limit, TlsConnector::from(tls).connect(name, socket))
        .await
        .map_err(|_| "no TLS handshake in time".to_owned())?
        .map_err(|error| format!("the TLS handshake failed: {error}"))
}
